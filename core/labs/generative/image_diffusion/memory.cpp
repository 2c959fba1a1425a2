#include "core/labs/generative/image_diffusion/memory.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/base/parallel.h"
#include "core/data/shapeworld.h"
#include "core/labs/generative/shared/picture_array.h"

namespace orrery::generative {

using diffusion::State;

namespace {

constexpr double farLevel = 3, nearLevel = 0.1;  // between them the window narrows

void appendScaled(const std::vector<std::uint8_t>& bytes, std::vector<float>& to) {
  for (const std::uint8_t v : bytes) to.push_back((2.0f * static_cast<float>(v) - 255.0f) / 255.0f);
}

KnownPictures knownFrom(const PictureSet& set) {
  KnownPictures pictures;
  pictures.side = set.side;
  appendScaled(set.train, pictures.known);
  appendScaled(set.heldOut, pictures.others);
  return pictures;
}

// Sums of `values` over windows reaching `reach` pixels to every side, cut off at the border, in place: along rows, then along columns.
void windowSums(std::vector<double>& values, std::vector<double>& scratch, std::int64_t side, std::int64_t reach) {
  const auto n = static_cast<std::size_t>(side);
  const auto along = [&](const std::vector<double>& from, std::vector<double>& to, std::size_t step, std::size_t line) {
    for (std::size_t l = 0; l < n; ++l) {
      const std::size_t base = l * line;
      double sum = 0;
      for (std::int64_t i = 0; i < std::min(reach, side); ++i) sum += from[base + static_cast<std::size_t>(i) * step];
      for (std::int64_t i = 0; i < side; ++i) {
        if (i + reach < side) sum += from[base + static_cast<std::size_t>(i + reach) * step];
        if (i - reach - 1 >= 0) sum -= from[base + static_cast<std::size_t>(i - reach - 1) * step];
        to[base + static_cast<std::size_t>(i) * step] = sum;
      }
    }
  };
  along(values, scratch, 1, n);
  along(scratch, values, n, 1);
}

class MemoryDenoiser : public PictureDenoiser {
 public:
  MemoryDenoiser(KnownPictures pictures, LocalWindow window) : others_(std::move(pictures.others)), window_(window) {
    side = pictures.side;
    set_.dimension = values();
    set_.points = std::move(pictures.known);
    double sum = 0, squares = 0;
    for (const float v : set_.points) sum += static_cast<double>(v), squares += static_cast<double>(v) * static_cast<double>(v);
    const auto n = static_cast<double>(std::max<std::size_t>(set_.points.size(), 1));
    deviation = std::sqrt(squares / n - sum / n * (sum / n));
    classNames = std::move(pictures.classNames);
    ofClass_.resize(classNames.size());
    for (std::size_t i = 0; i < pictures.classes.size(); ++i) ofClass_[pictures.classes[i]].push_back(i);
    all_.resize(set_.size());
    std::iota(all_.begin(), all_.end(), std::size_t{0});
  }

  State denoise(gpu::Stream&, const State& x, double level, const std::vector<std::uint32_t>& labels, double guidance) const override {
    State result(x.size());
    parallelFor(labels.size(), 0, [&](std::size_t i) {
      const auto from = x.begin() + static_cast<std::ptrdiff_t>(i * values());
      const State one(std::vector<double>(from, from + static_cast<std::ptrdiff_t>(values())));
      // A set that holds no picture of the class says what it says of all.
      const bool any = labels[i] >= classNames.size() || ofClass_[labels[i]].empty();
      State clean = among(one, level, any ? all_ : ofClass_[labels[i]]);
      if (guidance != 1 && !any) clean = guidance * clean + (1 - guidance) * among(one, level, all_);
      for (std::size_t v = 0; v < values(); ++v) result[i * values() + v] = clean[v];
    });
    return result;
  }

  std::optional<Likeness> nearest(const State& x, std::size_t index) const override {
    const auto found = set_.nearest(x.values().subspan(index * values(), values()));
    return Likeness{found.index, found.distance};
  }

  State knownPicture(std::size_t index) const override { return picture(set_.points, index); }
  std::size_t knownCount() const override { return set_.size(); }
  State heldOutPicture(std::size_t index) const override { return picture(others_.empty() ? set_.points : others_, index); }

 private:
  State picture(const std::vector<float>& from, std::size_t index) const {
    const std::size_t count = from.size() / values(), at = index % std::max<std::size_t>(count, 1) * values();
    return State(std::vector<double>(from.begin() + static_cast<std::ptrdiff_t>(at), from.begin() + static_cast<std::ptrdiff_t>(at + values())));
  }

  State among(const State& x, double level, const std::vector<std::size_t>& which) const {
    const std::int64_t window = window_.at(level);
    if (window == 0 || window >= 2 * side - 1) return set_.denoise(x, level, which);
    const auto plane = static_cast<std::size_t>(side * side);
    const double scale = 1 / (2 * level * level);

    // Every pixel takes the mean of the pictures by how well they fit around it: an online softmax, one picture after another.
    State result(x.size());
    std::vector<double> misfit(plane), scratch(plane), least(plane, std::numeric_limits<double>::infinity()), total(plane, 0.0);
    for (const std::size_t k : which) {
      const float* known = set_.points.data() + k * values();
      for (std::size_t p = 0; p < plane; ++p) {
        double squares = 0;
        for (std::size_t c = 0; c < 3; ++c) {
          const double d = x[c * plane + p] - static_cast<double>(known[c * plane + p]);
          squares += d * d;
        }
        misfit[p] = squares * scale;
      }
      windowSums(misfit, scratch, side, (window - 1) / 2);
      for (std::size_t p = 0; p < plane; ++p) {
        double weight = 1;
        if (misfit[p] < least[p]) {
          const double kept = std::exp(misfit[p] - least[p]);
          total[p] *= kept;
          for (std::size_t c = 0; c < 3; ++c) result[c * plane + p] *= kept;
          least[p] = misfit[p];
        } else {
          if (misfit[p] - least[p] > 27) continue;  // 2e-12: below the rounding of the others together
          weight = std::exp(least[p] - misfit[p]);
        }
        total[p] += weight;
        for (std::size_t c = 0; c < 3; ++c) result[c * plane + p] += weight * static_cast<double>(known[c * plane + p]);
      }
    }
    for (std::size_t c = 0; c < 3; ++c) {
      for (std::size_t p = 0; p < plane; ++p) result[c * plane + p] /= total[p];
    }
    return result;
  }

  diffusion::PointSet set_;
  std::vector<float> others_;
  std::vector<std::size_t> all_;
  std::vector<std::vector<std::size_t>> ofClass_;
  LocalWindow window_;
};

}  // namespace

std::int64_t LocalWindow::at(double level) const {
  if (far == 0 || near == 0) return 0;
  const double share = std::clamp(std::log(level / nearLevel) / std::log(farLevel / nearLevel), 0.0, 1.0);
  const double wide = static_cast<double>(near) + share * static_cast<double>(far - near);
  return 2 * static_cast<std::int64_t>(std::lround((wide - 1) / 2)) + 1;
}

KnownPictures shapeWorldKnown(std::uint32_t count, std::uint32_t others, std::uint32_t first) {
  KnownPictures pictures;
  const Pictures known = shapeWorldPictures(false, 0, count, static_cast<int>(pictures.side));
  const Pictures held = shapeWorldPictures(true, first, others, static_cast<int>(pictures.side));
  pictures.known.assign(known.values.begin(), known.values.end());
  pictures.others.assign(held.values.begin(), held.values.end());
  pictures.classes = known.classes;
  for (const auto& name : shapeworld::classNames) pictures.classNames.emplace_back(name);
  return pictures;
}

Expected<KnownPictures> patchesKnown(const std::string& path, std::int64_t side, std::int64_t count, std::int64_t others, std::uint64_t seed) {
  const auto set = patchesOf(path, side, count, others, seed);
  if (!set) return set.error();
  return knownFrom(*set);
}

Expected<KnownPictures> folderKnown(const std::string& path, const std::string& names, std::int64_t side, std::int64_t count,
                                    std::int64_t others, const Watch& watch) {
  const auto set = folderOf(path, side, count, others, others > 0 ? leastPictures : 1, names, watch);
  if (!set) return set.error();
  return knownFrom(*set);
}

Expected<KnownPictures> arrayKnown(const std::string& path, std::int64_t side, std::int64_t count, std::int64_t others, const Watch& watch) {
  const auto set = arrayOf(path, side, count, others, others > 0 ? leastPictures : 1, watch);
  if (!set) return set.error();
  return knownFrom(*set);
}

std::unique_ptr<PictureDenoiser> memoryDenoiser(KnownPictures pictures, LocalWindow window) {
  return std::make_unique<MemoryDenoiser>(std::move(pictures), window);
}

}  // namespace orrery::generative
