#pragma once
// A diffusion lab's other half: pictures out of noise under the ideal denoiser of a set of pictures (generative.md C3, point set; Karras
// et al. 2022, eq. 57). What comes out is a picture of the set, or a mean of several: the training picture nearest to each stands beside it.
// A lab says only where its states stand and how it goes from one to the next; x_t = alpha x_0 + sigma eps, values of pictures -1 ... 1,
// [samples, 3, side, side]. States are f32 at every frame and stepped in double precision on the host. Random numbers, key = seed: the start
// is diffusion::Noise(seed, values).fresh(0, 60).

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/diffusion/density.h"
#include "core/figure/marks/marks.h"
#include "core/labs/generative/shared/picture_mosaic.h"
#include "core/session/lab.h"

namespace orrery::generative {

// The pictures known by heart.
struct PictureMemory {
  std::int64_t side = 0;
  diffusion::PointSet set;
  double deviation = 0.5;  // of all values
  double apart = 0;        // from a picture to the nearest other one, mean over at most 64 of them; root mean square over the values

  std::size_t values() const { return set.dimension; }
  std::size_t samplesOf(const diffusion::State& x) const { return x.size() / values(); }
  // What every picture of x_t says about where it came from: D and how many pictures it could be. At sigma = 0 it is what it is.
  std::vector<diffusion::PointSet::Answer> ask(const diffusion::State& x, double alpha, double sigma) const;
  diffusion::State denoise(const diffusion::State& x, double alpha, double sigma) const;
};
// Those that "data" and its files, "side" and "memory" name. Error: of shared/picture_choice.h, or fewer than two pictures.
Expected<PictureMemory> pictureMemory(LabContext& context);

// A way from noise to pictures.
class PictureCourse {
 public:
  // Where the states of a frame stand.
  struct Stop {
    double time = 0;  // as the lab counts it
    double alpha = 0, sigma = 1;
    std::int64_t evaluations = 0;  // of D per picture, to get here
  };
  std::vector<Stop> stops;  // from noise to data
  double start = 1;         // deviation of the noise at the first
  std::string title;        // of the panel of states
  bool whole = false;       // times are whole numbers

  virtual ~PictureCourse() = default;
  // From stop `from` to the next; `clean` is D at `from`.
  virtual diffusion::State step(std::size_t from, const diffusion::State& x, const diffusion::State& clean,
                                const PictureMemory& memory) const = 0;
};
using PlanCourse = std::function<Expected<std::shared_ptr<const PictureCourse>>(const LabContext&, const PictureMemory&)>;

class PictureMemoryLab final : public Lab {
 public:
  PictureMemoryLab(std::string_view title, PlanCourse plan) : title_(title), plan_(std::move(plan)) {}
  // "data", with the plane first and named so, and what says which pictures; then "samples", "picture-chart" and "chosen".
  static std::vector<Parameter> dataParameters();
  static std::vector<Parameter> pictureParameters();
  static std::vector<View> views();

  Expected<void> update(LabContext& context) override;
  bool keepsTime(const LabContext& context) const override;
  Expected<bool> advance(LabContext& context) override;
  Timeline timeline() const override;
  std::vector<Tensor> capture() const override;
  void restore(std::int64_t frame, std::vector<Tensor> state) override;
  Figure figure() const override;
  std::vector<Metric> metrics() const override;
  Changes pointer(const PointerEvent& event, const Values& values) const override;

 private:
  // What is known of a frame, per sample.
  struct Record {
    std::vector<double> candidates, distances;  // pictures it could still be; from D to the nearest picture
    std::vector<std::size_t> nearest;
  };
  void look();  // asks about the present state
  const Record& record() const { return records_.at(frame_); }
  std::vector<std::int64_t> filmFrames() const;
  std::size_t perRow() const;

  // picture_memory_panels.cpp
  std::string timeText(double time) const;
  Mosaic mosaic(std::size_t columns, bool words) const;
  Panel samplesPanel(const char* id) const;  // "state", "expected" or "nearest"
  Panel filmPanel() const;
  Panel chartPanel() const;

  std::string_view title_;
  PlanCourse plan_;
  PictureMemory memory_;
  std::shared_ptr<const PictureCourse> course_;
  std::int64_t frame_ = 0;
  std::size_t samples_ = 8, chosen_ = 0;
  std::string chart_;
  diffusion::State state_, clean_;
  std::map<std::int64_t, Record> records_;                                       // by frame: kept while going back and forth
  std::map<std::int64_t, std::pair<diffusion::State, diffusion::State>> film_;  // state and D at the frames of the strip
};

}  // namespace orrery::generative
