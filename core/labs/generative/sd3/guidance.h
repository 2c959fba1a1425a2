#pragma once
// Classifier-free guidance on a labelled mixture whose velocities are known exactly.

#include "core/diffusion/density.h"
#include "core/diffusion/sampler.h"
#include "core/labs/generative/sd3/part.h"
#include "core/labs/generative/shared/plane_scene.h"

namespace orrery::generative::sd3 {

class Guidance : public Part {
 public:
  bool touched(const LabContext& context) const override;
  Expected<void> update(LabContext& context) override;
  Panel overview() const override;
  Figure detail() const override;
  void addMetrics(std::vector<Metric>& metrics) const override;
  Changes pointer(const PointerEvent& event, const Values& values) const override;

 private:
  // Moments of final samples against the class's own law.
  struct Ends {
    double meanX = 0, meanY = 0, varianceX = 0, varianceY = 0;
    double certainty = 0;  // mean p(class | x)
    double outside = 0;    // share beyond the ellipse that holds 99 % of the class
    double spread = 0;     // deviation over the class's own
  };
  struct Walk {
    double w = 0;
    std::vector<diffusion::Visit> visits;
    Ends ends;
  };
  Expected<Walk> walk(double w, std::size_t particles, bool record) const;
  diffusion::State denoise(const diffusion::State& x, double level, double w) const;
  Ends endsOf(const diffusion::State& x) const;
  const diffusion::Visit& visitOf(const Walk& walk) const;
  double half() const { return 1.5 * scene_.density.reach; }
  Panel canvas(const char* id, const Walk& walk, bool trails) const;
  Panel sweepPanel() const;
  Panel pushPanel() const;

  PlaneScene scene_, own_;  // all classes; the chosen one alone
  bool pair_ = false;       // one Gaussian against another: closed form
  double w_ = 5, moment_ = 1, kappa_ = 3;
  const diffusion::Sampler* sampler_ = nullptr;
  diffusion::SamplerOptions options_;
  std::vector<double> levels_;
  std::uint64_t seed_ = 0;
  Walk without_, plain_, guided_;                // w = 0, 1 and the chosen one
  std::string walkedFor_, plainFor_, sweptFor_;  // what the guided walk, the other two and the sweep stand for
  std::vector<double> sweepW_;
  std::vector<Ends> sweep_;
};

}  // namespace orrery::generative::sd3
