#pragma once
// The lab generative/edm-unified: its state, shared by the computing half (edm_unified.cpp) and the drawing half (figure.cpp). Its data are
// in data.cpp, laws and solvers in walks.cpp, preconditionings in views.cpp; what it offers is in describe.cpp.

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "core/diffusion/prediction.h"
#include "core/figure/marks/marks.h"
#include "core/labs/generative/edm_unified/data.h"
#include "core/labs/generative/edm_unified/walks.h"
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
// The row's, but of the flow's with `logitNormal` that of logit t ~ N(mean, deviation^2) in place of a uniform t (Esser et al. 2024).
double trainingDensity(const NetworkView& view, bool logitNormal, double lnSigma, double mean, double deviation);

class EdmUnified : public Lab {
 public:
  static LabEntry describe();
  static constexpr int knots = 5;  // of drawn curves
  Expected<void> update(LabContext& context) override;
  Figure figure() const override;
  std::vector<Metric> metrics() const override;
  Changes pointer(const PointerEvent& event, const Values& values) const override;

 private:
  struct LawPath {
    NoisingLaw law;
    LawWalk walk;            // exact, at those of the fine levels that the law reaches
    std::size_t offset = 0;  // of its first level among them
    double curvature = 0;    // length over chord in (t, x), mean over the starts
    double error = 0;        // of the chosen solver at the end, scaled
  };
  Expected<UnifiedData> readData(const LabContext& context) const;
  Expected<NoisingLaw> readDrawn(const LabContext& context) const;
  void followExactly(double high, double low);
  void followLaws(const std::vector<NoisingLaw>& laws);
  LawWalk carriedOver(const NoisingLaw& law, const std::vector<double>& levels, std::size_t offset) const;
  // The state on the exact path of every start, scaled, at a level between the first and the last.
  diffusion::State exactAt(double level) const;
  const LawPath& chosenPath() const;
  diffusion::State denoise(const diffusion::State& x, double level) const;  // by the network where there is one
  LawWalk solve(const NoisingLaw& law, const diffusion::State* start = nullptr) const;  // from the exact start, or from another
  double networkError(double level) const;                                  // E |D_network - D|^2 of a coordinate
  void measureLoss(bool dataChanged);
  double trainingDensityAt(double lnSigma) const { return trainingDensity(*view_, logitNormal_, lnSigma, mean_, deviation_); }
  std::array<double, 2> knotOf(int k) const;  // s and sigma of the chosen law there, at times from 0 to its last

  // figure.cpp
  std::string firstOf(const std::string& what) const;  // "x" on the line, "x, first coordinate" in the plane
  Panel lawPanel() const;
  Panel rawPanel() const;
  Panel scaledPanel() const;
  Panel scalesPanel() const;
  Panel coefficientsPanel() const;
  Panel lossPanel() const;
  Panel boardPanel(diffusion::Prediction prediction, int column) const;

  UnifiedData data_;
  std::shared_ptr<const models::PointDenoiser> network_;  // a user's, which the solver then runs under
  std::string complaint_;                               // what is suspicious about its answers
  double measured_ = 0.5;       // standard deviation of the data
  double dataDeviation_ = 0.5;  // what the preconditioning is told it is
  std::string law_;
  const NetworkView* view_ = nullptr;
  double level_ = 1, mean_ = -1.2, deviation_ = 1.2;
  bool logitNormal_ = false;
  DesignSolver solver_;
  std::vector<double> levels_;                // of the solver, before a law's own range
  std::vector<double> fine_;                  // of the exact paths
  std::vector<diffusion::State> exact_;       // scaled, at each of them
  std::vector<LawPath> paths_;
  LawWalk coarse_;                            // of the chosen law with the chosen solver
  double agreement_ = 0;                      // of VE, VP and flow at equal levels, by RK4
  std::size_t counted_ = 0;                   // particles whose law is compared, under the chosen law and solver
  double distance_ = 0;
  std::vector<double> spreads_;               // mean spread at the levels of the loss
  std::vector<double> lossAt_, lossLeast_, lossDensity_, lossFirst_, lossNetwork_;
};

}  // namespace orrery::generative
