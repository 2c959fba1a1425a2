// u_t(x) = alpha' D + sigma' eps, eps = (x - alpha D) / sigma, with D of a set of pictures (generative.md C2, C3). With x = alpha x_0 + sigma eps
// that is alpha' D + (sigma sigma') (x - alpha D) / sigma^2. Where the data have no width the velocity at t = 0 does not exist: the last step is
// Euler's, which on straight lines lands on D.

#include "core/labs/generative/flow_matching/pictures.h"

#include "core/base/text.h"
#include "core/labs/generative/shared/flow_field.h"

namespace orrery::generative {

using diffusion::State;

namespace {

class FlowCourse final : public PictureCourse {
 public:
  FlowCourse(const FlowPath& path, FlowSolver solver, std::int64_t steps) : path_(path), solver_(solver) {
    std::int64_t evaluations = 0;
    for (std::int64_t i = 0; i <= steps; ++i) {
      const double t = 1 - static_cast<double>(i) / static_cast<double>(steps);
      const FlowMoment m = path.at(t);
      if (i > 0) evaluations += evaluationsOf(solverTo(m));
      stops.push_back({t, m.alpha, m.sigma, evaluations});
    }
    start = stops.front().sigma;
    title = tr("Noise on its way to the set");
  }

  State step(std::size_t from, const State& x, const State& clean, const PictureMemory& memory) const override {
    const double t = stops[from].time, to = stops[from + 1].time, h = to - t;
    const auto velocity = [&](const State& at, double time) {
      const FlowMoment m = path_.at(time);
      return velocityOf(m, at, memory.denoise(at, m.alpha, m.sigma));
    };
    const State first = velocityOf(path_.at(t), x, clean);
    switch (solverTo(path_.at(to))) {
      case FlowSolver::euler:
        return x + h * first;
      case FlowSolver::midpoint:
        return x + h * velocity(x + 0.5 * h * first, t + 0.5 * h);
      case FlowSolver::heun:
        return x + 0.5 * h * (first + velocity(x + h * first, to));
      case FlowSolver::rk4:
        break;
    }
    const State second = velocity(x + 0.5 * h * first, t + 0.5 * h), third = velocity(x + 0.5 * h * second, t + 0.5 * h),
                fourth = velocity(x + h * third, to);
    return x + h / 6 * (first + 2 * second + 2 * third + fourth);
  }

 private:
  FlowSolver solverTo(const FlowMoment& end) const { return end.sigma > 0 ? solver_ : FlowSolver::euler; }
  static State velocityOf(const FlowMoment& m, const State& x, const State& clean) {
    return m.alphaRate * clean + m.halfVarianceRate / (m.sigma * m.sigma) * (x - m.alpha * clean);
  }

  FlowPath path_;
  FlowSolver solver_;
};

}  // namespace

Expected<std::shared_ptr<const PictureCourse>> flowCourse(const LabContext& context, const PictureMemory&) {
  const FlowPath path{flowPathOf(context.text("path")), context.number("floor"), context.number("sigma-max")};
  return std::shared_ptr<const PictureCourse>(
      std::make_shared<FlowCourse>(path, flowSolverOf(context.text("solver")), context.integer("steps")));
}

}  // namespace orrery::generative
