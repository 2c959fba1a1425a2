#pragma once
// The lab generative/edm-unified: its state, shared by the computing half (edm_unified.cpp) and the drawing half (figure.cpp); what it
// offers is in describe.cpp.

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "core/diffusion/density.h"
#include "core/diffusion/prediction.h"
#include "core/diffusion/process.h"
#include "core/figure/marks/marks.h"
#include "core/models/point_denoiser.h"
#include "core/session/lab.h"

namespace orrery::generative {

// A row of the table of preconditionings (Karras et al. 2022, table 1, and the straight path of flow matching): D = skip x + out F(in x;
// noise), the weight lambda of |D - y|^2, and the density of ln sigma in training. x is the scaled state.
struct NetworkView {
  std::string id, title;
  diffusion::Preconditioning (*at)(double sigma, double dataDeviation) = nullptr;
  double (*weight)(double sigma, double dataDeviation) = nullptr;
  double (*density)(double lnSigma, double mean, double deviation) = nullptr;  // integrates to 1 over ln sigma
};
const std::vector<NetworkView>& networkViews();

class EdmUnified : public Lab {
 public:
  static LabEntry describe();
  Expected<void> update(LabContext& context) override;
  Figure figure() const override;
  std::vector<Metric> metrics() const override;
  Changes pointer(const PointerEvent& event, const Values& values) const override;

 private:
  struct Walk {
    std::vector<double> times, levels;
    std::vector<diffusion::State> raw;  // x_t, one state per time
  };
  struct LawPath {
    const diffusion::Process* process = nullptr;
    Walk walk;             // exact
    double curvature = 0;  // length over chord in (t, x), mean over the starts
  };
  void followLaws(const std::vector<double>& levels);
  const LawPath& chosenPath() const;
  // `denoise`: the exact D or the network's.
  using Denoise = diffusion::State (EdmUnified::*)(const diffusion::State& x, double level) const;
  diffusion::State exactly(const diffusion::State& x, double level) const { return data_.denoise(x, level); }
  diffusion::State byNetwork(const diffusion::State& x, double level) const { return network_->denoise(x, level); }
  Denoise denoiser() const { return network_ ? &EdmUnified::byNetwork : &EdmUnified::exactly; }
  Walk walk(const diffusion::Process& process, const std::vector<double>& levels, const std::string& solver, Denoise denoise) const;
  double networkError(double level) const;  // E |D_network - D|^2 over the noised density
  diffusion::State start(double level) const;
  double spread(double x, double level) const;  // Var[x_0 | x], x scaled
  double meanSpread(double level) const;        // its mean over x

  // figure.cpp
  Panel rawPanel() const;
  Panel scaledPanel() const;
  Panel scalesPanel() const;
  Panel lossPanel() const;
  Panel boardPanel(diffusion::Prediction prediction, int column) const;

  diffusion::LineMixture data_;
  std::shared_ptr<const models::PointDenoiser> network_;  // a user's, which the solver then runs under
  std::string complaint_;                               // what is suspicious about its answers
  double measured_ = 0.5;       // standard deviation of the data
  double dataDeviation_ = 0.5;  // what the preconditioning is told it is
  const diffusion::Process* law_ = nullptr;
  const NetworkView* view_ = nullptr;
  double level_ = 1, mean_ = -1.2, deviation_ = 1.2;
  std::string solver_;
  std::vector<double> levels_;
  std::vector<LawPath> paths_;
  Walk coarse_;                                        // of the chosen law with the chosen solver
  std::vector<std::pair<std::string, double>> error_;  // per law: the solver's at the end
  double agreement_ = 0;                               // of VE, VP and flow at equal levels, RK4 with 800 steps
  std::vector<double> spreads_;                        // meanSpread at the levels of the loss
  std::vector<double> lossAt_, lossLeast_, lossDensity_, lossFirst_, lossNetwork_;
};

}  // namespace orrery::generative
