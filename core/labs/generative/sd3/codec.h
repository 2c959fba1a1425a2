#pragma once
// A linear autoencoder: principal components of 8 x 8 x 3 patches, c of them kept.

#include "core/labs/generative/sd3/part.h"

namespace orrery::generative::sd3 {

// Source: Pearson 1901; the best linear code of c numbers per patch. z_i = v_i . (x - mean), x' = mean + sum_{i < c} z_i v_i; the mean
// squared error of a patch is the sum of the eigenvalues left out. Values -1 ... 1, ordered row, column, colour.
struct PatchCodec {
  static constexpr std::size_t side = 8, values = side * side * 3;
  std::vector<double> mean, eigenvalues, vectors;  // [192], [192] falling, [192, 192]: row i belongs to eigenvalue i

  // patches [n, 192], n at least 1.
  static PatchCodec fit(const std::vector<float>& patches);
  void encode(const float* patch, std::size_t channels, double* z) const;
  void decode(const double* z, std::size_t channels, double* patch) const;
};

// Patches of a picture [height, width, 3] u8 of whole patches, row by row: [n, 192].
std::vector<float> patchesOf(const std::vector<std::uint8_t>& rgb, int width, int height);

class LatentCodec : public Part {
 public:
  bool touched(const LabContext& context) const override;
  Expected<void> update(LabContext& context) override;
  Panel overview() const override;
  Figure detail() const override;
  void addMetrics(std::vector<Metric>& metrics) const override;
  Changes pointer(const PointerEvent& event, const Values& values) const override;

  // The code of the picture shown, whitened: latents() [height / 8, width / 8, channels].
  int width() const { return width_; }
  int height() const { return height_; }
  std::size_t channels() const { return channels_; }
  const std::vector<double>& latents() const { return latents_; }
  const std::vector<std::uint8_t>& rgb() const { return rgb_; }

 private:
  void measure();
  Panel picturesPanel(bool withError) const;
  Panel curvePanel() const;
  Panel channelsPanel() const;
  Panel basisPanel() const;
  double keptShare() const;

  PatchCodec codec_;
  std::string fittedTo_;           // which picture
  std::vector<float> sample_;      // the patches the codec was fitted to
  std::vector<std::uint8_t> rgb_;  // the picture shown
  int width_ = 0, height_ = 0;
  std::string cut_;
  std::size_t channels_ = 16;
  std::vector<double> latents_;
  double error_ = 0, pictureError_ = 0;  // mean squared error per value: over sample_, over the picture
  Tensor original_, restored_, difference_;
};

}  // namespace orrery::generative::sd3
