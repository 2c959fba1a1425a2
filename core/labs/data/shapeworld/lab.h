#pragma once
// The lab data/shapeworld: state and the pieces its files share (see shapeworld.cpp for what it shows).

#include <array>
#include <string>
#include <vector>

#include "core/data/shapeworld.h"
#include "core/data/shapeworld_questions.h"
#include "core/session/lab.h"

namespace orrery::data_labs {

// What was drawn over the first N scenes, and what the draws promise.
struct Counts {
  std::array<double, 4> classes{};
  std::array<double, 8> colours{};
  std::array<double, 3> sizes{};
  std::array<double, 6> textures{};
  std::array<std::array<double, 8>, 4> pairs{};                           // class, colour
  double scenes = 0, objects = 0, dropped = 0, crowds = 0, captions = 0;  // captions: distinct ones
};

// Probability of each outcome of one draw under these options.
struct Chances {
  std::array<double, 4> classes{};
  std::array<double, 8> colours{};
  std::array<double, 3> sizes{};
  std::array<double, 6> textures{};
};
Chances chancesOf(const shapeworld::Options& options);

inline constexpr double pictureGap = 0.06;  // between the grid's pictures, in picture sides

// A scene in the grid.
struct Tile {
  shapeworld::Scene scene;
  shapeworld::Picture picture;
  Tensor pixels;  // [size, size, 4] u8
};

class ShapeWorldLab : public Lab {
 public:
  static LabEntry describe();
  Expected<void> update(LabContext& context) override;
  Figure figure() const override;
  std::vector<Metric> metrics() const override;
  Changes pointer(const PointerEvent& event, const Values& values) const override;
  Expected<void> writeFiles(LabContext& context, FolderWriter& folder) override;

 private:
  void makeTiles(LabContext& context);
  Expected<void> count(LabContext& context);
  const Tile& chosen() const { return tiles_[static_cast<std::size_t>(selected_)]; }
  double cellHeight() const;  // in cell widths: with captions below, a picture takes more than its square
  // pictures.cpp
  void addBoxes(Panel& panel, const Tile& tile, const std::string& prefix, double x, double y, bool tags) const;
  Panel gridPanel() const;
  Panel scenePanel() const;
  Panel maskPanel() const;
  Panel wordsPanel() const;
  // counts.cpp
  Panel classPanel() const;
  Panel colourPanel() const;
  Panel sizePanel() const;
  Panel texturePanel() const;
  Panel pairPanel() const;

  bool stale_ = true;
  shapeworld::Options options_;
  int size_ = 64;
  std::uint32_t first_ = 0;
  std::int64_t columns_ = 4, rows_ = 3, selected_ = 0;
  std::string boxes_ = "class";
  bool captions_ = false;
  std::vector<Tile> tiles_;
  std::int64_t differing_ = 0;  // values of the grid's pictures in which the device differs from the reference
  Counts counts_;
};

}  // namespace orrery::data_labs
