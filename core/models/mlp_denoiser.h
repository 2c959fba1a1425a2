#pragma once
// A multilayer perceptron as a denoiser of points: any tensor file whose matrices chain, [w1, d + e], [w2, w1] ... [d, wn], as the weights
// of torch.nn.Linear in a Sequential do. The last matrix says how many coordinates d a point has; the first takes e numbers more, the time:
// e = 1 the time itself, e = 2k the features s cos(2 pi f_i t), then s sin(2 pi f_i t), whose frequencies f [k] and scale s are in the
// config.json beside the file ("frequencies", "feature_scale"; s = 1). States are scaled against the relative noise level, see
// network_meaning.h. Double precision on the host; clouds of particles on the device in f32.

#include <string>
#include <string_view>
#include <vector>

#include "core/kernels/elementwise.h"
#include "core/models/point_denoiser.h"

namespace orrery::models {

class MlpDenoiser : public PointDenoiser {
 public:
  // What is not stated is read from config.json ("prediction_type", "time", "noise_schedule", "activation": silu, relu, tanh, gelu), or is
  // noise on the variance-preserving process told as 0 ... 1, and SiLU. `activation`: one of those words, or empty. Error: not readable, no
  // chain, no time, a value that is not finite; says which tensor and what was expected.
  static Expected<MlpDenoiser> open(const std::string& path, const NetworkStated& stated, const std::string& activation = {});
  // Whether tensors of these shapes can be such a chain: for choosing among labs.
  static bool fits(const std::vector<std::vector<std::int64_t>>& matrices);

  std::size_t dimension() const override { return dimension_; }
  std::size_t parameters() const override;
  const NetworkMeaning& meaning() const override { return meaning_; }

  // What it is made of, for those who differentiate it: output = the chain of layers, the activation between them, at
  // [meaning().inputScale() x, toldFeatures()].
  struct Layer {
    std::size_t in = 0, out = 0;
    std::vector<double> weight, bias;  // [out, in], [out]
    Tensor deviceWeight{}, deviceBias{};  // f32; of the layers between the first and the last
  };
  const std::vector<Layer>& layers() const { return layers_; }
  kernels::Unary activation() const { return activation_; }
  std::vector<double> toldFeatures(double level) const;  // what the first layer takes after the coordinates

  diffusion::State denoise(const diffusion::State& x, double level) const override;
  Tensor denoise(gpu::Stream& stream, const Tensor& x, double level) const override;

 private:
  std::size_t dimension_ = 0;
  std::vector<Layer> layers_;
  kernels::Unary activation_ = kernels::Unary::silu;
  std::vector<double> frequencies_;  // empty: the time itself
  double featureScale_ = 1;
  NetworkMeaning meaning_;
};

}  // namespace orrery::models
