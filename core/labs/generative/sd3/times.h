#pragma once
// Which times a flow is trained at: four laws, drawn and exact, against where there is something to learn.

#include "core/diffusion/density.h"
#include "core/diffusion/time_law.h"
#include "core/labs/generative/sd3/part.h"

namespace orrery::generative::sd3 {

class Times : public Part {
 public:
  Times();
  bool touched(const LabContext& context) const override;
  Expected<void> update(LabContext& context) override;
  Panel overview() const override;
  Figure detail() const override;
  void addMetrics(std::vector<Metric>& metrics) const override;
  Changes pointer(const PointerEvent& event, const Values& values) const override;

  // Of the velocity u = eps - x_0 at time t, data on the line: E Var[u | x_t], and what the best straight line of x_t is left with.
  static double leastLoss(const diffusion::LineMixture& data, double t);
  static double lineLoss(double variance, double t);

 private:
  Panel densityPanel(bool withLoss) const;
  Panel lossPanel() const;
  Panel lawsPanel() const;
  Panel mapPanel() const;
  double median() const;
  double learnableShare(const diffusion::TimeLaw& law, double mean, double scale) const;
  double density(double t) const { return law_->density(t, mean_, scale_); }

  const diffusion::TimeLaw* law_ = nullptr;
  double mean_ = 0, scale_ = 1;
  Tensor counts_;  // u32 [bins]
  std::int64_t draws_ = 0;
  std::vector<double> lossAt_, least_, straight_;  // over t
};

}  // namespace orrery::generative::sd3
