#include "core/labs/generative/shared/network_units.h"

#include <algorithm>

#include "core/kernels/elementwise.h"
#include "core/labs/generative/shared/density_file.h"

namespace orrery::generative {

namespace {

class NetworkInUnits : public models::PointDenoiser {
 public:
  NetworkInUnits(std::shared_ptr<const models::PointDenoiser> network, const NetworkUnits& units)
      : network_(std::move(network)), units_(units) {}

  std::size_t dimension() const override { return network_->dimension(); }
  std::size_t parameters() const override { return network_->parameters(); }
  const models::NetworkMeaning& meaning() const override { return network_->meaning(); }
  double highestLevel() const override { return network_->highestLevel() / units_.unit; }

  diffusion::State denoise(const diffusion::State& x, double level) const override {
    const Asked at = asked(level);
    diffusion::State u = at.unit * x;
    for (std::size_t i = 0; i < u.size(); ++i) u[i] += i % 2 == 0 ? units_.centreX : units_.centreY;
    diffusion::State clean = network_->denoise(u, at.level);
    for (std::size_t i = 0; i < clean.size(); ++i) clean[i] -= i % 2 == 0 ? units_.centreX : units_.centreY;
    return clean / units_.unit;
  }

  Tensor denoise(gpu::Stream& stream, const Tensor& x, double level) const override {
    const auto centre = [&](double sign) {
      return Tensor::from(Shape{1, 2}, {static_cast<float>(sign * units_.centreX), static_cast<float>(sign * units_.centreY)});
    };
    const Asked at = asked(level);
    const Tensor u = kernels::binary(stream, kernels::Binary::add, kernels::affine(stream, x, static_cast<float>(at.unit), 0), centre(1));
    const Tensor clean = kernels::binary(stream, kernels::Binary::add, network_->denoise(stream, u, at.level), centre(-1));
    return kernels::affine(stream, clean, static_cast<float>(1 / units_.unit), 0);
  }

 private:
  // Above the end of its schedule the network is asked there, with what is noise nearly all shrunk to that level.
  struct Asked {
    double unit = 1, level = 1;
  };
  Asked asked(double level) const {
    const double own = units_.unit * level, share = std::min(1.0, network_->highestLevel() / own);
    return {share * units_.unit, share * own};
  }

  std::shared_ptr<const models::PointDenoiser> network_;
  NetworkUnits units_;
};

}  // namespace

std::shared_ptr<const models::PointDenoiser> inUnits(std::shared_ptr<const models::PointDenoiser> network, const NetworkUnits& units) {
  if (units.shown()) return network;
  return std::make_shared<const NetworkInUnits>(std::move(network), units);
}

std::vector<Parameter> networkUnitsParameters(bool (*visible)(const Values&)) {
  return {
      {"network-units", "Its units", "Which numbers it was trained on, where the data are points of a file.", "Denoiser", std::string("own"),
       Choice{{{"own", "The file's own"}, {"standard", "Mean 0, deviation 1"}, {"shown", "As shown here"}}}, "", visible},
      {"network-scale", "Its data scale", "By what those numbers were multiplied before it was trained.", "Denoiser", 1.0, LogReal{1e-3, 1e3},
       "", visible},
  };
}

bool networkUnitsChanged(const LabContext& context) {
  // Labs without a scene of the plane have neither; what is not there counts as changed.
  return context.values().contains("network-units") && context.anyChanged({"network-units", "network-scale", "scene", "file"});
}

Expected<NetworkUnits> networkUnits(const LabContext& context) {
  NetworkUnits units;
  const std::string& choice = context.text("network-units");
  if (choice != "shown" && context.text("scene") == "dropped") {
    const auto density = densityOfFile(context.file("file"), context.flag("invert"), 1);
    if (!density) return density.error();
    if (const auto& file = density->units; file && choice == "own") units = {file->centreX, file->centreY, file->unit};
    if (const auto& file = density->units; file && choice == "standard") units = {0, 0, file->unit / file->deviation};
  }
  const double scale = context.number("network-scale");
  return NetworkUnits{scale * units.centreX, scale * units.centreY, scale * units.unit};
}

}  // namespace orrery::generative
