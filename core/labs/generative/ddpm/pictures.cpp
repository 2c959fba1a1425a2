// Ancestral steps on pictures (Ho et al. 2020, algorithm 2). Source of the best variance: Bao et al. 2022, with E tr Cov[x_0 | x_t] / d of the
// set from draws of its own: at each of some levels pictures of the set, in turn, with noise diffusion::Noise(seed, values).fresh(k, 62).
// The noise of the step to t: fresh(t, 61), key = seed.

#include "core/labs/generative/ddpm/pictures.h"

#include <algorithm>
#include <cmath>

#include "core/base/text.h"
#include "core/diffusion/noise.h"
#include "core/labs/generative/ddpm/chain.h"

namespace orrery::generative {

using diffusion::State;

namespace {

constexpr std::uint32_t stepPurpose = 61, errorPurpose = 62;
constexpr int errorLevels = 20;
constexpr double errorWork = 2e9;  // values compared, over all levels: a second or two
constexpr int mostFrames = 1000;

class DdpmCourse final : public PictureCourse {
 public:
  DdpmCourse(Chain chain, std::vector<double> variance, bool lastStepNoise, double clip, std::uint64_t seed)
      : chain_(std::move(chain)), steps_(reverseSteps(chain_, variance, lastStepNoise)), clip_(clip), seed_(seed) {
    const int T = chain_.steps();
    stride_ = (T + mostFrames - 1) / mostFrames;
    for (int done = 0;; done = std::min(done + stride_, T)) {
      const int t = T - done;
      stops.push_back({static_cast<double>(t), chain_.alpha(t), chain_.sigma(t), done});
      if (t == 0) break;
    }
    whole = true;
    title = chain_.alphaBar.back() > 0.1 ? trf("The chain is too short: its end is not Gaussian, ᾱ(T) = {:.2g}", chain_.alphaBar.back())
                                         : tr("Reverse chain on pictures");
  }

  State step(std::size_t from, const State& x, const State& clean, const PictureMemory& memory) const override {
    const int T = chain_.steps(), first = static_cast<int>(from) * stride_, last = std::min(first + stride_, T);
    State scaled = x / chain_.scale(T - first);
    for (int n = first; n < last; ++n) {
      const int t = T - n;
      State D = n == first ? clean : memory.denoise(chain_.scale(t) * scaled, chain_.alpha(t), chain_.sigma(t));
      if (clip_ > 0) {
        for (std::size_t i = 0; i < D.size(); ++i) D[i] = std::clamp(D[i], -clip_, clip_);
      }
      const LinearStep& s = steps_[static_cast<std::size_t>(n)];
      scaled = s.keep * scaled + s.toward * D;
      if (s.noise > 0) scaled += s.noise * diffusion::Noise(seed_, x.size()).fresh(static_cast<std::uint32_t>(t), stepPurpose);
    }
    return chain_.scale(T - last) * scaled;
  }

 private:
  Chain chain_;
  std::vector<LinearStep> steps_;
  double clip_;
  std::uint64_t seed_;
  int stride_ = 1;
};

// E tr Cov[x_0 | x_t] / d at every step, straight in the logarithm of the level between some.
std::vector<double> errorsOf(const Chain& chain, const PictureMemory& memory, std::uint64_t seed) {
  const double work = static_cast<double>(memory.set.size()) * static_cast<double>(memory.values()) * errorLevels;
  const auto draws = static_cast<std::size_t>(std::clamp(errorWork / work, 4.0, 64.0));
  const int T = chain.steps();
  const double low = std::log(chain.level(1)), high = std::log(std::max(chain.level(T), chain.level(1) * 1.001));
  std::vector<double> known;
  for (int k = 0; k < errorLevels; ++k) {
    const double level = std::exp(low + (high - low) * k / (errorLevels - 1));
    State x = level * diffusion::Noise(seed, draws * memory.values()).fresh(static_cast<std::uint32_t>(k), errorPurpose);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t picture = (i / memory.values() * 7919) % memory.set.size();
      x[i] += static_cast<double>(memory.set.points[picture * memory.values() + i % memory.values()]);
    }
    known.push_back(0);
    for (const auto& answer : memory.ask(x, 1, level)) known.back() += answer.variance / static_cast<double>(draws);
  }
  std::vector<double> errors(chain.beta.size(), 0);
  for (int t = 1; t <= T; ++t) {
    const double place = std::clamp((std::log(chain.level(t)) - low) / (high - low), 0.0, 1.0) * (errorLevels - 1);
    const auto k = std::min(static_cast<std::size_t>(place), known.size() - 2);
    const double share = place - static_cast<double>(k);
    errors[static_cast<std::size_t>(t)] = (1 - share) * known[k] + share * known[k + 1];
  }
  return errors;
}

}  // namespace

Expected<std::shared_ptr<const PictureCourse>> ddpmCourse(const LabContext& context, const PictureMemory& memory) {
  auto chain = chainOf(context, context.text("schedule"));
  if (!chain) return chain.error();
  const auto seed = static_cast<std::uint64_t>(context.integer("seed"));
  const ReverseVariance kind = reverseVarianceOf(context.text("variance"));
  const std::vector<double> errors =
      kind == ReverseVariance::analytic ? errorsOf(*chain, memory, seed) : std::vector<double>(chain->beta.size(), 0);
  auto variance = reverseVariances(*chain, kind, context.number("interpolation"), errors);
  return std::shared_ptr<const PictureCourse>(std::make_shared<DdpmCourse>(*std::move(chain), std::move(variance), context.flag("last-step-noise"),
                                                                            context.number("clip"), seed));
}

}  // namespace orrery::generative
