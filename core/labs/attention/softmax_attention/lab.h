#pragma once
// The softmax attention lab's state, shared by its computation (softmax_attention.cpp) and its picture (figure.cpp).

#include <optional>
#include <string>
#include <vector>

#include "core/labs/attention/shared/gpt_file.h"
#include "core/labs/attention/shared/multi_head.h"
#include "core/labs/attention/shared/token_text.h"
#include "core/session/lab.h"

namespace orrery::attention {

// One layer as the picture needs it. The score matrix is never held: maps are made again from q, k and the statistics.
struct ShownLayer {
  LayerResult result;
  kernels::AttentionOptions options;
};

class SoftmaxAttentionLab : public Lab {
 public:
  static LabEntry describe();
  Expected<void> update(LabContext& context) override;
  Figure figure() const override;
  std::vector<Metric> metrics() const override { return metrics_; }
  Changes pointer(const PointerEvent& event, const Values& values) const override;

  static constexpr std::int64_t mostTokens = 8192;                // of a file
  static constexpr std::int64_t mostForRollout = 1024;            // the product of n x n matrices
  static constexpr std::int64_t gridCells = 192, mapCells = 512;  // sides of a head's thumbnail and of the enlarged map

 private:
  // Stages of update().
  Expected<void> readInputs(LabContext& context);
  Expected<void> readFile(LabContext& context);
  Expected<void> readModel(LabContext& context);
  Expected<void> runLayers(LabContext& context);
  void runInduction(LabContext& context);
  Expected<void> runModel(LabContext& context, kernels::AttentionOptions options);
  Expected<kernels::AttentionOptions> optionsFor(LabContext& context) const;
  Expected<void> lookAt(LabContext& context);
  void readRow(LabContext& context);

  // Parts of figure().
  Panel headsPanel() const;
  Panel mapPanel() const;
  Panel rolloutPanel() const;
  Panel tokensPanel() const;
  Panel rowPanel() const;
  Panel entropyPanel() const;
  void labelAxis(Axis& axis, const std::string& name) const;

  bool stale_ = true;  // the last update failed half way: begin from the start
  std::string source_;
  std::int64_t n_ = 0, heads_ = 0;
  std::vector<TextToken> tokens_;    // empty unless the source is text
  std::vector<std::string> labels_;  // one per token
  Tensor x_;                         // [n, d], sources random and text
  Tensor fileQ_, fileK_, fileV_;
  std::vector<HeadWeights> weights_;  // per layer
  std::optional<GptFile> model_;
  double bitsPerToken_ = 0;  // of the text, by the model
  std::vector<ShownLayer> layers_;
  std::vector<std::string> headNames_;  // of the maps in the grid

  // What is looked at.
  std::int64_t layer_ = 0, head_ = 0, query_ = 0;  // clamped
  bool logColor_ = false;
  std::vector<Tensor> thumbnails_;  // [cells, cells] per map of the grid
  std::int64_t thumbnailCell_ = 1, mapCell_ = 1;
  Tensor map_, rollout_;                                           // [cells, cells]
  double gridTop_ = 1, mapTop_ = 1, rolloutTop_ = 1, rowTop_ = 1;  // upper ends of colour ranges and of the row's axis
  std::string rolloutNote_;
  Tensor positions_;               // [n]: 0, 1, ...
  Tensor row_, rowAsComputed_;     // [n]: weights of the selected query; before the nudge
  std::vector<Tensor> entropies_;  // [n] per head of the layer shown
  Tensor ceiling_;                 // [n]: ln of the keys a row sees
  Tensor linksFrom_, linksTo_;     // [n, 2]
  Tensor linkWeights_;             // [n]: the selected row relative to its largest weight
  double rowEntropy_ = 0;
  std::vector<std::string> predictions_;  // induction and model: what is expected after each token
  std::vector<Metric> metrics_;
};

}  // namespace orrery::attention
