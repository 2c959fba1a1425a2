#pragma once
// The lab generative/image-diffusion: its state, shared by the computing half (image_diffusion.cpp) and the drawing half (figure.cpp); what
// it offers is in describe.cpp.

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/diffusion/grid.h"
#include "core/diffusion/sampler.h"
#include "core/figure/marks/marks.h"
#include "core/labs/generative/image_diffusion/denoiser.h"
#include "core/labs/generative/shared/picture_mosaic.h"
#include "core/labs/generative/shared/stated_network.h"
#include "core/session/lab.h"

namespace orrery::generative {

class ImageDiffusion : public Lab {
 public:
  static LabEntry describe();
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
  // Where a row of pictures stands after a step: all its pictures x at one level, and what the denoiser makes of them.
  struct Look {
    double level = 0;
    int evaluations = 0;
    diffusion::State x, clean;
  };
  // Pictures that go through one sampler together.
  struct Row {
    std::string id, name;  // of the metrics; beside the row
    const diffusion::Sampler* sampler = nullptr;
    diffusion::SamplerOptions options;
    int steps = 1;
    double guidance = 1;
    std::vector<std::uint32_t> labels;  // one per column
    diffusion::State start;             // of deviation 1
    std::vector<Look> looks;
    std::vector<PictureDenoiser::Likeness> likeness;  // of the finished pictures, where the denoiser knows any
  };

  Expected<void> openDenoiser(LabContext& context);
  Expected<void> takePictures(LabContext& context);
  diffusion::State picturesTaken(const LabContext& context, std::size_t count) const;
  Expected<std::vector<Row>> plan(const LabContext& context) const;
  diffusion::SamplerOptions optionsFrom(const LabContext& context) const;
  // `told` is called after every step, when the rows have what there is so far.
  using Told = std::function<void()>;
  Expected<void> runAll(LabContext& context, std::span<Row> rows, double done, double share, const Told& told) const;
  Expected<void> run(LabContext& context, std::span<Row> rows, double done, double share, const Told& told) const;
  Expected<diffusion::State> noiseOf(LabContext& context, const Row& row, const diffusion::State& pictures, Row* up) const;
  Expected<void> invert(LabContext& context, std::vector<Row>& rows, const Told& told) const;
  NetworkProbe probed(LabContext& context, const Row& row) const;
  Expected<void> walk(LabContext& context, std::vector<Row>& rows, const Told& told) const;
  diffusion::State picturesNoise(std::uint64_t seed, std::size_t first, std::size_t count) const;
  const Look& lookAt(const Row& row, std::int64_t frame) const;
  double apart(const diffusion::State& a, const diffusion::State& b) const;  // root mean square over all values
  std::int64_t frames() const;

  // figure.cpp
  Figure unfinished(std::vector<Row>& rows, std::int64_t columns);
  double namesWidth() const;
  Panel mosaicPanel(bool clean) const;
  Panel nearestPanel() const;
  Panel stripPanel() const;
  Panel settlingPanel() const;
  Mosaic mosaicOf(std::size_t columns) const;
  Tensor mosaic(const std::vector<std::pair<const diffusion::State*, std::size_t>>& pictures, std::size_t columns,
                const std::vector<double>& factors) const;

  std::unique_ptr<PictureDenoiser> denoiser_;
  std::vector<Row> rows_;
  std::optional<NetworkProbe> probe_;  // of a network
  std::vector<std::string> columnNames_;
  std::string experiment_, beside_;
  std::string guidanceMissing_;  // why the guidance that is wanted is not there
  const diffusion::Grid* grid_ = nullptr;
  diffusion::GridRequest request_;
  bool finalZero_ = true;
  std::uint64_t seed_ = 0;
  std::int64_t columns_ = 4, frame_ = 0, chosen_ = 0;
  bool unfinished_ = false;  // only while a preview is drawn
};

}  // namespace orrery::generative
