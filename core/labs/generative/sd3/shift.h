#pragma once
// Times at another resolution: what noise leaves of a picture depends on how many pixels see it.

#include "core/labs/generative/sd3/part.h"

namespace orrery::generative::sd3 {

// The relative noise levels a sampler of the straight path visits, falling to 0: times uniform from 0.999 to 0.001, then shifted by kappa.
Expected<std::vector<double>> shiftedLevels(int steps, double kappa);

class ResolutionShift : public Part {
 public:
  bool touched(const LabContext& context) const override;
  Expected<void> update(LabContext& context) override;
  Panel overview() const override;
  Figure detail() const override;
  void addMetrics(std::vector<Metric>& metrics) const override;
  Changes pointer(const PointerEvent& event, const Values& values) const override;

 private:
  Panel rulerPanel() const;
  Panel curvePanel() const;
  Panel stepsPanel() const;
  Panel densityPanel() const;
  Panel picturesPanel() const;
  double exact() const { return side_ / base_; }  // sqrt(m / n)

  double kappa_ = 3, base_ = 256, side_ = 1024;  // sides of squares of as many pixels
  double time_ = 0.6, mean_ = 0, deviation_ = 1;
  std::vector<double> plain_, shifted_;  // times of the steps, without shift and with it, falling
  Tensor mosaic_;                        // [h, w, 4] u8: noised pictures
  int mosaicRows_ = 0, mosaicColumns_ = 0;
};

}  // namespace orrery::generative::sd3
