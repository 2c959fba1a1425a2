#pragma once
// An ONNX graph as a denoiser: of its two inputs the one that is shaped like the output is x, [B, d] or [B, C, H, W], the other the time,
// [B], [B, 1] or a scalar, real or whole. What it predicts and how it is told the time is as for other networks (network_meaning.h); left
// out, it is noise on the variance-preserving process, told as 0 ... 1, or as the step 0 ... 999 where the time is a whole number.
// A batch of fixed size is filled up with copies, and no limit where rows of any number give the same answers.
// A graph of pictures may take classes through a third input: numbers, whole [B], [B, 1] or [1], or one-hot rows, real [B, K]. Where the
// time is a whole number, too, names decide which is which ("class" or "label" against "time", "step", "sigma" or "t"), then the order x,
// time, class. Numbers run from 0 to "num_classes" of the file's metadata or of config.json, or to the end of the table that they are looked
// up in. Which of them means no class, for guidance, is "null_class" there or stated; K after K one-hot rows is a row of zeros.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/file_format.h"
#include "core/models/onnx/graph.h"
#include "core/models/point_denoiser.h"

namespace orrery::models {

class OnnxDenoiser : public PointDenoiser {
 public:
  // Error: of the reader and the graph (onnx/graph.h); inputs or outputs that do not fit the above; an answer that changes with the other
  // points of the batch. The first form is for points of at most 64 coordinates, the second for pictures, which are probed on the device.
  static Expected<OnnxDenoiser> openForPoints(const std::string& path, const NetworkStated& stated);
  static Expected<OnnxDenoiser> openForPictures(gpu::Stream& stream, const std::string& path, const NetworkStated& stated,
                                                std::optional<std::int64_t> nullClass = {});
  // Whether a graph with these ports can be one: for choosing among labs. `rank` of x: 2 for points, 4 for pictures.
  static bool fits(const std::vector<TensorSummary>& inputs, const std::vector<TensorSummary>& outputs, int rank);

  std::size_t dimension() const override { return dimension_; }
  std::size_t parameters() const override { return graph_.parameters(); }
  const NetworkMeaning& meaning() const override { return meaning_; }
  const std::vector<std::int64_t>& pointShape() const { return shape_; }  // [d] or [C, H, W]

  // What its third input takes; none where it has two.
  struct Classes {
    bool oneHot = false;
    std::optional<std::int64_t> count;  // classes 0 ... count - 1; none: unknown
    std::optional<std::int64_t> none;   // the number that means no class
  };
  const std::optional<Classes>& classes() const { return classes_; }

  // Where work is given up (core/base/stop.h) the answers are no numbers. A graph with classes is asked for the first.
  diffusion::State denoise(const diffusion::State& x, double level) const override;
  Tensor denoise(gpu::Stream& stream, const Tensor& x, double level) const override;
  // With a class per row; empty: as above. Error: what the graph says of a class that it has not; cancelled.
  Expected<Tensor> denoise(gpu::Stream& stream, const Tensor& x, double level, const std::vector<std::int64_t>& labels) const;

 private:
  static Expected<OnnxDenoiser> open(gpu::Stream* stream, const std::string& path, const NetworkStated& stated, int rank,
                                     std::optional<std::int64_t> nullClass);
  Expected<void> findRoles(const std::string& path, int rank);
  Expected<void> findMeaning(const std::string& path, const NetworkStated& stated, std::optional<std::int64_t> nullClass);
  Expected<void> findClasses(const std::string& path, std::optional<std::int64_t> count, std::optional<std::int64_t> none);
  Expected<void> probe(gpu::Stream* stream, const std::string& path);
  // N(x, told) for n rows of x that is scaled already, with a class each or none given; as many as the graph takes at once.
  Expected<onnx::Value> answer(gpu::Stream* stream, const onnx::Value& x, double told, std::span<const std::int64_t> labels = {}) const;
  onnx::Value timeFor(std::int64_t rows, double told) const;
  onnx::Value classesFor(std::int64_t rows, std::span<const std::int64_t> labels) const;
  bool oneClassForAll() const;

  onnx::Graph graph_;
  std::size_t x_ = 0, time_ = 1, output_ = 0;  // places among the inputs and outputs
  std::size_t class_ = 2;                      // where there are classes
  std::size_t dimension_ = 0;
  std::vector<std::int64_t> shape_;
  std::int64_t batch_ = 0;  // rows at once; 0: any number
  bool probed_ = false;
  NetworkMeaning meaning_;
  std::optional<Classes> classes_;
};

}  // namespace orrery::models
