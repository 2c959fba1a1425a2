#pragma once
// A user's network as a denoiser of points, whatever the format of its file: what samplers and labs ask. States are scaled (x_t / alpha)
// against the relative noise level, see network_meaning.h.

#include <cstdint>
#include <memory>
#include <string>

#include "core/diffusion/state.h"
#include "core/models/network_meaning.h"
#include "core/tensor/tensor.h"

namespace orrery::models {

class PointDenoiser {
 public:
  virtual ~PointDenoiser() = default;

  virtual std::size_t dimension() const = 0;  // coordinates of a point
  virtual std::size_t parameters() const = 0;
  virtual const NetworkMeaning& meaning() const = 0;
  // The largest level it can be told of: the end of its noise schedule, or infinity.
  virtual double highestLevel() const;

  // D for particles of d coordinates, one after another, at one relative level. Double precision on the host; may be called from several
  // threads at once.
  virtual diffusion::State denoise(const diffusion::State& x, double level) const = 0;
  // The same on the device: x [n, d] -> [n, d], f32.
  virtual Tensor denoise(gpu::Stream& stream, const Tensor& x, double level) const = 0;
};

// A multilayer perceptron (mlp_denoiser.h) or an ONNX graph (onnx_denoiser.h), by content. `activation` is for perceptrons. Error: of
// theirs.
Expected<std::shared_ptr<const PointDenoiser>> openPointDenoiser(const std::string& path, const NetworkStated& stated,
                                                                 const std::string& activation = {});

}  // namespace orrery::models
