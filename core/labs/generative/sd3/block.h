#pragma once
// One joint block at work: who attends to whom across text and image, and how large the logits get.

#include <optional>

#include "core/labs/generative/sd3/codec.h"
#include "core/labs/generative/sd3/part.h"
#include "core/labs/generative/sd3/positions.h"
#include "core/models/mmdit.h"

namespace orrery::generative::sd3 {

class JointBlock : public Part {
 public:
  // Image tokens are patches of the codec's latents.
  explicit JointBlock(const LatentCodec& codec) : codec_(codec) {}
  bool touched(const LabContext& context) const override;
  Expected<void> update(LabContext& context) override;
  Panel overview() const override;
  Figure detail() const override;
  void addMetrics(std::vector<Metric>& metrics) const override;
  Changes pointer(const PointerEvent& event, const Values& values) const override;

 private:
  Expected<void> readWeights(LabContext& context);
  Expected<void> embed(LabContext& context);
  Expected<void> readEmbeddings(const Asset& asset);
  void meter(LabContext& context);
  void look(LabContext& context);
  void sweep(LabContext& context);
  std::int64_t tokens() const { return words_ + pictures_; }

  Panel mapPanel() const;
  Panel logitSweepPanel() const;
  Panel entropySweepPanel() const;
  Panel filePanel() const;
  Panel tokenPanel() const;
  Panel logitPanel() const;
  Panel sharePanel() const;

  const LatentCodec& codec_;
  models::MmditBlock block_;
  std::string readFrom_, inputsFor_, ranFor_, sweptFor_;  // what block_ was made from; what embeddings, run and sweep stand for
  std::optional<models::MmditFile> file_;
  std::int64_t index_ = 0;  // of the block in the file
  models::QkNorm norm_ = models::QkNorm::rms;
  double scale_ = 1;
  Tensor text_, image_, told_;  // [Lc, D], [Lx, D], [D]
  std::int64_t words_ = 0, pictures_ = 0, columns_ = 8, rows_ = 8;
  bool dropped_ = false;  // embeddings are the user's
  models::MmditResult result_;

  // What is looked at.
  std::int64_t head_ = 0, query_ = 0;  // head 0: the mean of all
  std::int64_t cell_ = 1;
  Tensor map_;  // [cells, cells]
  double mapTop_ = 1;
  std::vector<float> row_;                    // [tokens]
  std::vector<double> logits_, entropies_;    // per head: the largest |logit|; mean entropy over rows, nats
  double textToImage_ = 0, imageToText_ = 0;  // shares of attention, means over heads and rows
  double changed_ = 0;                        // root mean square of what the block adds to image tokens
  struct Sweep {
    std::vector<double> logits, entropies;  // over scales_
  };
  std::vector<double> scales_;
  Sweep sweeps_[3];  // off, RMS, layer norm: the order of models::QkNorm
};

}  // namespace orrery::generative::sd3
