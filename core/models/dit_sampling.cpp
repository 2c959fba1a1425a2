// Denoising and sampling with a trained DiT: EDM's preconditioning around the network, guidance, Heun's method.

#include "core/kernels/elementwise.h"
#include "core/kernels/philox.h"
#include "core/models/dit.h"
#include "core/models/edm.h"

namespace orrery::models {

namespace {

using kernels::Binary;

// a x + b y
Tensor combined(gpu::Stream& stream, double a, const Tensor& x, double b, const Tensor& y) {
  return kernels::binary(stream, Binary::add, kernels::affine(stream, x, static_cast<float>(a), 0),
                         kernels::affine(stream, y, static_cast<float>(b), 0));
}

}  // namespace

Tensor ditDenoise(gpu::Stream& stream, const nn::Weights& weights, const Tensor& patches, double sigma, const Tensor& classes,
                  double guidance, const DitConfig& config) {
  const edm::Preconditioning p = edm::preconditioning(sigma, config.sigmaData);
  const std::int64_t batch = patches.shape()[0];
  const Tensor times = ditTimes(std::vector<double>(static_cast<std::size_t>(batch), sigma), config);
  const Tensor input = kernels::affine(stream, patches, static_cast<float>(p.cIn), 0);
  const auto network = [&](const Tensor& told) {
    nn::Tape tape(stream);
    const auto constants = nn::constants(tape, weights);
    return ditForward(constants, tape.constant(input), times, told, config).value();
  };
  Tensor output = network(classes);
  if (guidance != 1) {
    const std::vector<std::uint32_t> nothing(static_cast<std::size_t>(batch), static_cast<std::uint32_t>(config.classes));
    output = combined(stream, guidance, output, 1 - guidance, network(Tensor::from(Shape{batch}, nothing)));
  }
  return combined(stream, p.cSkip, patches, p.cOut, ditFromOutput(stream, output, config));
}

Tensor ditSample(gpu::Stream& stream, const nn::Weights& weights, const std::vector<std::uint32_t>& classes, const DitConfig& config,
                 const DitSampling& sampling) {
  const auto batch = static_cast<std::int64_t>(classes.size());
  const Tensor told = Tensor::from(Shape{batch}, classes);
  const std::vector<double> t = edm::schedule(sampling.steps);
  Tensor x =
      kernels::normal(stream, Shape{batch, config.tokens(), config.patchValues()}, {sampling.seed, 0x720, 0}, 0, static_cast<float>(t[0]));
  for (std::size_t i = 0; i + 1 < t.size(); ++i) {
    // dx/dsigma = (x - D(x; sigma)) / sigma: a step of Euler's method, then the mean of the slopes at both ends.
    const double step = t[i + 1] - t[i];
    const Tensor slope = combined(stream, 1 / t[i], x, -1 / t[i], ditDenoise(stream, weights, x, t[i], told, sampling.guidance, config));
    const Tensor ahead = combined(stream, 1, x, step, slope);
    if (t[i + 1] == 0) {
      x = ahead;
      break;
    }
    const Tensor next =
        combined(stream, 1 / t[i + 1], ahead, -1 / t[i + 1], ditDenoise(stream, weights, ahead, t[i + 1], told, sampling.guidance, config));
    x = combined(stream, 1, x, step / 2, kernels::binary(stream, Binary::add, slope, next));
    stream.submit();
  }
  return ditImages(stream, x, config);
}

}  // namespace orrery::models
