#pragma once
// Denoisers of pictures for the lab generative/image-diffusion: a diffusion transformer or an ONNX graph on the device, or what a set of
// known pictures says (memory.h). Pictures are [channels, S, S] one after another in a State, values around -1 ... 1.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/expected.h"
#include "core/diffusion/density.h"
#include "core/models/trained_dit.h"

namespace orrery::generative {

// Which of ShapeWorld's singles: those whose shape has this radius at least, in lattice units (core/models/pictures.h), 0 being all; turned
// at random or upright.
struct ShapesShown {
  int leastRadius = 0;
  bool upright = false;
};

class PictureDenoiser {
 public:
  virtual ~PictureDenoiser() = default;

  std::int64_t side = 32, channels = 3;
  double deviation = 0.5;               // of the data: noisy pictures are shown divided by sqrt(deviation^2 + level^2) / deviation
  std::vector<std::string> classNames;  // a label of classNames.size() is none of them
  bool alwaysClass = false;             // it cannot be asked without a class: there is no label for none
  std::string assumption;               // what nobody said of it and is taken to be so; empty: nothing
  std::string noGuidance;               // why there is no guidance; empty: there is
  ShapesShown shapes;                   // the ShapeWorld shapes it was trained on

  std::size_t values() const { return static_cast<std::size_t>(channels * side * side); }
  // D for every picture of x, the labels one per picture. With guidance w: D_none + w (D_class - D_none).
  virtual diffusion::State denoise(gpu::Stream& stream, const diffusion::State& x, double level, const std::vector<std::uint32_t>& labels,
                                   double guidance) const = 0;
  // Whether it knows this class. Error: what it says of it.
  virtual Expected<void> knows(gpu::Stream&, std::uint32_t) const { return {}; }

  // The known picture that the picture `index` of x is most like, and their root mean square distance. None: a network keeps no pictures.
  struct Likeness {
    std::size_t known = 0;
    double distance = 0;
  };
  virtual std::optional<Likeness> nearest(const diffusion::State&, std::size_t) const { return std::nullopt; }
  // One picture of those it knows, and of those it does not; numbers beyond the last begin again. A network is shown `taken`, or ShapeWorld's
  // (grey where it sees one channel).
  std::vector<float> taken;  // [n, 3, side, side]
  virtual std::size_t knownCount() const { return 0; }
  virtual diffusion::State knownPicture(std::size_t index) const;
  virtual diffusion::State heldOutPicture(std::size_t index) const;

 private:
  diffusion::State shown(bool heldOut, std::size_t index) const;
};

// A diffusion transformer, or an ONNX graph (core/models/onnx_denoiser.h); by content. `nullClass`: the number of a graph's class that means
// none; left out, what the file says. Error: theirs, or pictures that are not square or have neither one nor three channels.
Expected<std::unique_ptr<PictureDenoiser>> networkDenoiser(gpu::Stream& stream, const std::string& path, const models::DitStated& stated,
                                                           std::optional<std::int64_t> nullClass = {});

// ShapeWorld singles of a split from `first` on as one State, and their classes.
struct Pictures {
  diffusion::State values;
  std::vector<std::uint32_t> classes;
};
Pictures shapeWorldPictures(bool heldOut, std::uint32_t first, std::uint32_t count, int side, const ShapesShown& shapes = {});

}  // namespace orrery::generative
