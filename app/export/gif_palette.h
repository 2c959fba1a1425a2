#pragma once
// From frames to a GIF's 256 colours: one palette for the whole film (so that a still ground stays still), chosen by median cut over all its
// colours, and ordered dither (which does not swim from frame to frame). libavfilter's palettegen and paletteuse do the counting.
// Internal to app/export.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "app/export/media_file.h"

struct AVFilterContext;
struct AVFilterGraph;

namespace orrery::exporting {

constexpr AVPixelFormat gifInput = AV_PIX_FMT_RGB32;  // what both filters take

class FilterGraph {
 public:
  FilterGraph() = default;
  ~FilterGraph();
  FilterGraph(const FilterGraph&) = delete;
  FilterGraph& operator=(const FilterGraph&) = delete;

 protected:
  // `description` names its inputs [in0], [in1], ... and its output [out].
  Expected<void> build(const std::string& description, const std::vector<std::pair<int, int>>& sizes);
  Expected<void> give(std::size_t input, AVFrame* frame);  // null: no more
  Expected<FramePtr> take();                               // null: nothing yet

 private:
  AVFilterGraph* graph_ = nullptr;
  std::vector<AVFilterContext*> inputs_;
  AVFilterContext* output_ = nullptr;
};

class PaletteMaker : FilterGraph {
 public:
  static Expected<std::unique_ptr<PaletteMaker>> make(int width, int height);
  Expected<void> add(AVFrame* frame) { return give(0, frame); }
  Expected<FramePtr> finish();                             // 16 x 16 colours
};

class PaletteUser : FilterGraph {
 public:
  static Expected<std::unique_ptr<PaletteUser>> make(int width, int height, AVFrame* palette);
  // The frame in the palette's colours.
  Expected<FramePtr> map(AVFrame* frame);

 private:
  std::int64_t count_ = 0;
};

// Bytes of a GIF of these frames and of `frames` such, from consecutive ones: the first in full, the others as what changes.
Expected<std::uint64_t> estimateGif(const std::vector<FramePtr>& sample, std::int64_t frames);

}  // namespace orrery::exporting
