#pragma once
// Samplers of a cloud in the plane on the device, one frame at a time: every solver of generative.md C5, with any noise share zeta of C4,
// under the exact denoiser of a mixture or any other. State: scaled coordinates [n, 2]. A frame is a level of the shared step grid; the
// noise of a frame is the same for every solver (kernels/mixture_solver: one Brownian path per particle).
//   zeta > 0: em is C4 itself; euler, heun, dpm-2, dpm-3, dpm++2s and rk4 run in ancestral form; dpm++2m and dpm++3m in their SDE form with
//   eta = zeta^2; edm churns with gamma = min(40 zeta / N, sqrt 2 - 1); ddpm-large is C4 with zeta = 1 and no other. To leading order in
//   the step all follow C4 with the same zeta. unipc, lms, plms, pndm and rk45 are solvers of the ODE.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/expected.h"
#include "core/kernels/mixture_step.h"
#include "core/session/parameter.h"

namespace orrery::generative {

// D of the rows of x [n, 2] at a level.
using CloudDenoiser = std::function<Tensor(gpu::Stream& stream, const Tensor& x, double level)>;

struct CloudState {
  Tensor x;
  std::vector<Tensor> history;                  // what the sampler remembers, [n, 2] each
  std::shared_ptr<kernels::NoiseMemory> noise;  // where its noise stands: saves time and changes nothing
};

struct CloudWalk {
  CloudState end;
  Tensor trail;  // [frames, n, 2]: the state at every frame reached; empty unless asked for
};

class CloudSampler {
 public:
  virtual ~CloudSampler() = default;

  // From frame `first` over `count` frames. `rows` says which particles the rows are: seed, purpose, firstParticle, wrap.
  virtual CloudWalk walk(gpu::Stream& stream, std::int64_t first, std::int64_t count, CloudState from, const kernels::StepOptions& rows,
                         bool trail) const = 0;
  // How often the denoiser was asked for a particle up to a frame.
  virtual double evaluations(std::int64_t frame) const = 0;
  // Particles were moved by hand: what is remembered of them goes on from there.
  virtual void moved(CloudState&) const {}
};

struct CloudSolver {
  std::string id = "heun";  // of cloudSolvers()
  double zeta = 0;
  double absolute = 1e-4, relative = 1e-3;  // of rk45
  int correctorSteps = 1;                   // of langevin-pc
  double correctorRatio = 0.16;
};

struct CloudProblem {
  std::vector<double> levels;  // of the frames, falling, the last 0
  CloudDenoiser denoise;
  const kernels::MixtureTable* mixture = nullptr;  // when D is this mixture's, changed by the error that `rows` states: the fast way
  Tensor followed;                                 // [m, 2]: the starts of the particles that control the steps of rk45 and langevin-pc
  kernels::StepOptions rows;                       // which particles they are
  double stopAt = -1;                              // a level at which rk45 shall stop, too
};

// Ids and titles of C5's solvers.
Choice cloudSolvers();
// Error: a solver that cannot have this noise share.
Expected<std::shared_ptr<const CloudSampler>> cloudSampler(gpu::Stream& stream, const CloudSolver& solver, const CloudProblem& problem);

}  // namespace orrery::generative
