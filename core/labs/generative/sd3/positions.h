#pragma once
// Where tokens of a picture are, as numbers a network adds to them.

#include <array>

#include "core/labs/generative/sd3/part.h"

namespace orrery::generative::sd3 {

enum class PositionKind { none, raster, crop, rescale };
PositionKind positionKind(const std::string& id);

// A grid of tokens in a table made for `table` x `table` places, trained on `trained` x `trained`.
struct PositionGrid {
  PositionKind kind = PositionKind::crop;
  std::int64_t rows = 64, columns = 64, table = 192, trained = 64;
  // The place a token's code says, as row and column of the table; raster: row 0, column = its number.
  std::array<double, 2> placeOf(double row, double column) const;
  // The trained token whose code it is; none for one that training has not met.
  std::array<std::int64_t, 2> trainedToken(std::int64_t row, std::int64_t column) const;  // -1, -1: none
};

// The code of a place, `width` numbers: columns and rows a half each (sines, then cosines; core/models/tokens.h), or one number over the
// whole width (raster); zeros for none. Every sine-cosine pair has length 1, so a code has |code|^2 = width / 2.
std::vector<double> positionCode(PositionKind kind, std::array<double, 2> place, std::int64_t width);

class Positions : public Part {
 public:
  bool touched(const LabContext& context) const override;
  Expected<void> update(LabContext& context) override;
  Panel overview() const override;
  Figure detail() const override;
  void addMetrics(std::vector<Metric>& metrics) const override;
  Changes pointer(const PointerEvent& event, const Values& values) const override;

 private:
  Panel similarityPanel() const;
  Panel reachPanel() const;
  Panel codePanel() const;
  Panel placesPanel() const;
  // <code(p), code(q)> / (width / 2) for p the picked token: [rows, columns].
  std::vector<float> similarityTo(PositionKind kind, std::int64_t row, std::int64_t column) const;
  PositionGrid gridOf(PositionKind kind) const;

  PositionGrid grid_;
  std::int64_t width_ = 256;
  int pixelsWide_ = 1024, pixelsHigh_ = 1024;
  std::int64_t row_ = 0, column_ = 0;  // the picked token
  std::vector<float> similarity_;
  std::vector<std::uint8_t> training_;  // the picture of the trained grid, [128, 128, 3]
};

}  // namespace orrery::generative::sd3
