// Correlation of images with small kernels and the gradient to its weights. On CPU devices an implicit matrix product over packed images,
// lanes along the pixels (conv2d.comp) or the channels (conv2d_weight_gradient.comp); on GPUs shared-memory tiles (conv2d_tiled.comp), on
// request multiplied on cooperative matrices (conv2d_matrix.comp). It is checked through conv2d and its gradients.

#include "core/kernels/correlation.h"

#include <algorithm>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

#include "core/kernels/fill.h"
#include "core/kernels/kernel.h"
#include "core/kernels/reduce.h"
#include "core/kernels/texel_pack.h"

namespace orrery::kernels {
namespace {

std::uint32_t word(std::int64_t value) { return static_cast<std::uint32_t>(value); }
std::int32_t number(std::int64_t value) { return static_cast<std::int32_t>(value); }
std::int64_t blocks(std::int64_t value, std::int64_t step) { return (value + step - 1) / step; }

// How a correlation walks packed images: see conv_weights.comp for a step.
struct Packing {
  std::int64_t taps = 1, R = 1, stepsX = 1, phasesY = 1, phasesX = 1, rows = 0, rowTexels = 0;
  std::int64_t spacing = 1;  // elements from one tap of a step to the next
  bool misaligned = false;
  std::int64_t planeTexels() const { return phasesY * phasesX * rows * rowTexels; }  // of one channel
};

Packing packingFor(const Correlation& c) {
  const auto [sy, sx] = c.stride;
  const auto [dy, dx] = c.dilation;
  Packing p;
  if (dx == 1 || c.kw == 1) {
    const std::int64_t perPhase = blocks(c.kw, sx), steps = blocks(perPhase, 4);
    p.taps = blocks(perPhase, steps);
    p.R = std::min(sx, c.kw);
    p.stepsX = p.R * steps;
    p.misaligned = steps > 1 && p.taps % 4 != 0;
    p.phasesX = p.R;
  } else if (dx == 2 && sx == 1 && c.kw <= 3) {
    // Taps two apart, of which the last reads the next texel: as cheap as without dilation.
    p.taps = c.kw;
    p.spacing = 2;
  } else {
    p.R = p.stepsX = c.kw;
    p.misaligned = true;
    p.phasesX = sx;
  }
  p.phasesY = dy == 1 ? std::min(sy, c.kh) : sy;
  p.rows = c.OH + (c.kh - 1) * dy / sy;
  p.rowTexels = blocks(c.OW + (c.kw - 1) * dx / sx, 4);
  return p;
}

void requireRange(gpu::Stream& stream, std::int64_t floats, const char* what) {
  if (static_cast<std::uint64_t>(floats) * 4 > stream.device().maxBufferRange()) {
    throw std::length_error("conv2d: " + std::string(what) + " of " + std::to_string(floats / 262144) +
                            " MiB is more than this device can bind at once; use smaller batches");
  }
}

gpu::Groups groupsOf64(std::int64_t items) {
  const std::int64_t groups = blocks(items, 64), widest = 32768;
  return {word(std::min(groups, widest)), word(blocks(groups, widest)), 1};
}

Tensor packImages(gpu::Stream& stream, const Tensor& x, const Correlation& c, const Packing& p) {
  constexpr std::int64_t tail = 4;  // texels of zeros that the last steps may read
  const std::int64_t planes = c.N * c.groups * c.channels * p.phasesY * p.phasesX, plane = p.rows * p.rowTexels, texels = planes * plane;
  requireRange(stream, 4 * texels, "a padded copy of the images");
  if (plane >= 1 << 22) throw std::length_error("conv2d: an image of more than 2^22 texels a channel");  // exact in conv_pack.comp
  Tensor packed(Shape{texels + tail, 4});
  const struct {
    std::uint32_t count, planes, tail, rowTexels, phasesX, phasesY;
    std::int32_t height, width, strideY, strideX, paddingY, paddingX, upY, upX;
    float perRow;
  } push{word(plane),          word(planes),         word(tail),      word(p.rowTexels),   word(p.phasesX),
         word(p.phasesY),      number(c.H),          number(c.W),     number(c.stride[0]), number(c.stride[1]),
         number(c.padding[0]), number(c.padding[1]), number(c.up[0]), number(c.up[1]),     1.0f / static_cast<float>(p.rowTexels)};
  constexpr std::int64_t widest = 32768;
  stream.dispatch("kernels/conv_pack", {{x.device(stream), gpu::Access::read}, {packed.deviceForWriting(stream), gpu::Access::write}}, push,
                  {word(blocks(plane, 64)), word(std::min(planes + 1, widest)), word(blocks(planes + 1, widest))},
                  {c.up[1] == 1 && c.stride[1] <= 2 ? word(c.stride[1]) : 0u});
  return packed;
}

void correlateScalar(gpu::Stream& stream, const Tensor& x, const Tensor& weight, const Tensor& bias, const Correlation& c, Tensor& result) {
  const Packing p = packingFor(c);
  const std::int64_t steps = blocks(c.channels * c.kh * p.stepsX, 2) * 2,
                     panel = c.rows > 8   ? 16
                             : c.rows > 1 ? 8
                                          : 1,
                     panels = blocks(c.rows, panel);
  requireIterations(stream.device(), "conv2d", steps);
  if (c.channels * p.planeTexels() >= 1 << 24) throw std::length_error("conv2d: an image of more than 2^24 texels");  // exact in f32
  const Tensor images = packImages(stream, x, c, p);

  Tensor weights(Shape{c.groups * panels * steps * (panel + 1), 4});
  const struct {
    std::uint32_t count, panel, panels, steps, rows, channels, kh, kw, taps, R, stepsX, groupStride, rowStride, channelStride;
    std::int32_t tapStart, tapStepY, tapStepX;
    std::uint32_t strideY, strideX, dilationY, dilationX, phasesX, phasesY, packedRows, rowTexels;
  } pack{word(weights.count() / 4),
         word(panel),
         word(panels),
         word(steps),
         word(c.rows),
         word(c.channels),
         word(c.kh),
         word(c.kw),
         word(p.taps),
         word(p.R),
         word(p.stepsX),
         word(c.groupStride),
         word(c.rowStride),
         word(c.channelStride),
         number(c.tapStart),
         number(c.tapStepY),
         number(c.tapStepX),
         word(c.stride[0]),
         word(c.stride[1]),
         word(c.dilation[0]),
         word(c.dilation[1]),
         word(p.phasesX),
         word(p.phasesY),
         word(p.rows),
         word(p.rowTexels)};
  stream.dispatch("kernels/conv_weights",
                  {{weight.device(stream), gpu::Access::read}, {weights.deviceForWriting(stream), gpu::Access::write}}, pack,
                  groupsOf64(pack.count));

  const std::int64_t quadsPerRow = blocks(c.OW, 4), quads = c.N * c.OH * quadsPerRow, tiles = blocks(quads, 16);
  const std::int64_t tileRows = std::min<std::int64_t>(tiles, 32768), layers = blocks(tiles, tileRows);
  if (layers * c.groups > 65535) throw std::length_error("conv2d: more groups than one dispatch holds");
  const std::int64_t planeHeight = result.shape()[2], planeWidth = result.shape()[3];
  const struct {
    std::uint32_t rows, groups, steps, tileRows, quads, quadsPerRow, outHeight, outWidth, imageTexels, groupTexels, rowTexels;
    std::uint32_t planeHeight, planeWidth, stepY, stepX, offset;
    float scale;
  } push{word(c.rows),
         word(c.groups),
         word(steps),
         word(tileRows),
         word(quads),
         word(quadsPerRow),
         word(c.OH),
         word(c.OW),
         word(c.groups * c.channels * p.planeTexels()),
         word(c.channels * p.planeTexels()),
         word(p.rowTexels),
         word(planeHeight),
         word(planeWidth),
         word(c.resultStride[0]),
         word(c.resultStride[1]),
         word(c.resultOffset[0] * planeWidth + c.resultOffset[1]),
         1.0f};
  const bool whole = c.OW % 4 == 0 && c.OW == planeWidth && c.OH == planeHeight;  // rows of whole texels, stored as such
  stream.dispatch(
      whole ? "kernels/conv2d" : "kernels/conv2d@ragged",
      {{images.device(stream), gpu::Access::read},
       {weights.device(stream), gpu::Access::read},
       {(bias.empty() ? weight : bias).device(stream), gpu::Access::read},
       {result.deviceForWriting(stream), whole ? gpu::Access::write : gpu::Access::readWrite}},
      push, {word(panels), word(tileRows), word(layers * c.groups)},
      {word(panel), word(p.taps), p.misaligned ? 1u : 0u, quadsPerRow % 2 == 0 ? 1u : 0u, bias.empty() ? 0u : 1u, word(p.spacing)});
}

// What conv2d_tiled.comp takes.
struct TiledPush {
  std::uint32_t rows, groups, channels, N, kh, kw, outHeight, outWidth;
  std::int32_t height, width, upY, upX, strideY, strideX, paddingY, paddingX, dilationY, dilationX;
  std::uint32_t groupStride, rowStride, channelStride;
  std::int32_t tapStart, tapStepY, tapStepX;
  std::uint32_t images, tileRows, planeHeight, planeWidth, stepY, stepX, offset;
};

TiledPush tiledPush(const Correlation& c, std::int64_t images, std::int64_t tileRows, const Shape& result) {
  TiledPush push{word(c.rows),
                 word(c.groups),
                 word(c.channels),
                 word(c.N),
                 word(c.kh),
                 word(c.kw),
                 word(c.OH),
                 word(c.OW),
                 number(c.H),
                 number(c.W),
                 number(c.up[0]),
                 number(c.up[1]),
                 number(c.stride[0]),
                 number(c.stride[1]),
                 number(c.padding[0]),
                 number(c.padding[1]),
                 number(c.dilation[0]),
                 number(c.dilation[1]),
                 word(c.groupStride),
                 word(c.rowStride),
                 word(c.channelStride),
                 number(c.tapStart),
                 number(c.tapStepY),
                 number(c.tapStepX),
                 word(images),
                 word(tileRows)};
  if (result.rank() == 4) {
    push.planeHeight = word(result[2]), push.planeWidth = word(result[3]);
    push.stepY = word(c.resultStride[0]), push.stepX = word(c.resultStride[1]);
    push.offset = word(c.resultOffset[0] * result[3] + c.resultOffset[1]);
  }
  return push;
}

// Rounds of all loops that a tile's 16 steps take; on matrices with four subgroups of 8 lanes, which have more each to fetch.
std::int64_t roundsPerStep(bool matrix) { return matrix ? 66 : 28; }

// An implicit product of `batches` matrices, `tileRows` of its tiles along the second axis of the dispatch; what `mode` says of columns and
// depth is in convolution.glsl.
void dispatchTiled(gpu::Stream& stream, std::span<const gpu::Binding> bindings, const TiledPush& push, std::int64_t rows,
                   std::uint32_t tileRows, std::uint32_t batches, std::uint32_t mode, bool biased,
                   const std::optional<gpu::MatrixShape>& matrix) {
  const std::uint32_t bias = biased ? 1 : 0;
  const std::vector<std::uint32_t> constants =
      matrix ? std::vector<std::uint32_t>{mode, bias, 0, 4 * matrix->lanes, matrix->m, matrix->n, matrix->k}
             : std::vector<std::uint32_t>{mode, bias};
  stream.dispatch(matrix ? "kernels/conv2d_matrix" : "kernels/conv2d_tiled", bindings, std::as_bytes(std::span(&push, 1)),
                  {word(blocks(rows, matrix ? 4 * matrix->m : 64)), tileRows, batches}, constants);
}

void correlateTiled(gpu::Stream& stream, const Tensor& x, const Tensor& weight, const Tensor& bias, const Correlation& c, Tensor& result,
                    const std::optional<gpu::MatrixShape>& matrix) {
  requireIterations(stream.device(), "conv2d", c.channels * c.kh * c.kw / 16 * roundsPerStep(matrix.has_value()));
  const std::int64_t width = matrix ? 4 * matrix->n : 64, tiles = blocks(c.N * c.OH * c.OW, width),
                     tileRows = std::min<std::int64_t>(tiles, 32768), layers = blocks(tiles, tileRows);
  if (layers * c.groups > 65535) throw std::length_error("conv2d: more groups than one dispatch holds");
  const gpu::Binding bindings[] = {{weight.device(stream), gpu::Access::read},
                                   {x.device(stream), gpu::Access::read},
                                   {(bias.empty() ? weight : bias).device(stream), gpu::Access::read},
                                   {result.deviceForWriting(stream), gpu::Access::readWrite}};
  dispatchTiled(stream, bindings, tiledPush(c, 0, tileRows, result.shape()), c.rows, word(tileRows), word(layers * c.groups), 0,
                !bias.empty(), matrix);
}

}  // namespace

void correlate(gpu::Stream& stream, const Tensor& x, const Tensor& weight, const Tensor& bias, const Correlation& c, Tensor& result,
               std::string_view variant) {
  requireRange(stream, result.count(), "a result");
  if (c.N * c.groups * c.rows * c.OH * c.OW == 0) return;
  const auto matrix = runsMatrix(stream.device(), "conv2d", variant);
  if (!matrix && runsScalar(stream.device(), "conv2d", variant)) {
    correlateScalar(stream, x, weight, bias, c, result);
  } else {
    correlateTiled(stream, x, weight, bias, c, result, matrix);
  }
}

Tensor correlationWeightGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& x, const Correlation& c,
                                 std::string_view variant) {
  const Shape shape{c.groups * c.rows, c.channels, c.kh, c.kw};
  if (shape.count() == 0) return Tensor(shape);
  if (gradient.empty()) return fill(stream, shape, 0.0f);
  const auto matrix = runsMatrix(stream.device(), "conv2d_weight_gradient", variant);
  const bool scalar = !matrix && runsScalar(stream.device(), "conv2d_weight_gradient", variant),
             depthwise = c.channels == 1 && c.groups > 1;

  // One part per image keeps the chains of sums short, unless the partial results become large. On CPU devices a part must also not be
  // longer than a loop may be; large images are cut into lines.
  constexpr std::int64_t partialBudget = 4 << 20;  // elements
  const std::int64_t longest = std::min(mostIterations(stream.device()), std::int64_t{1} << 40);
  const std::int64_t perLine = scalar ? 1 + blocks(c.OW, 4) : roundsPerStep(matrix.has_value()) * blocks(c.OW, 16);
  requireIterations(stream.device(), "conv2dWeightGradient", 30 + perLine);
  const std::int64_t lines = std::min(c.OH, std::max<std::int64_t>((longest - 29) / perLine, 1)), lineParts = blocks(c.OH, lines);
  const std::int64_t most = std::clamp<std::int64_t>(partialBudget / shape.count(), 1, c.N);
  const std::int64_t images = std::max<std::int64_t>(std::min(blocks(c.N, most), longest / (29 + lines * perLine)), 1);
  const std::int64_t parts = blocks(c.N, images) * lineParts;
  requireRange(stream, parts * shape.count(), "the parts of a weight gradient");
  if (parts * (depthwise ? 1 : c.groups) > 65535) throw std::length_error("conv2dWeightGradient: more groups than one dispatch holds");
  Tensor partial(Shape{parts, shape.count()});
  if (scalar) {
    const Packing p = packingFor(c);
    const Tensor packed = packImages(stream, x, c, p), padded = padRowsToTexels(stream, gradient);
    const struct {
      std::uint32_t rows, groups, channels, kh, kw, R, stepsX, images, N;
      std::uint32_t strideY, strideX, dilationY, dilationX, phasesX, phasesY, packedRows, rowTexels, quadsPerRow, outHeight, lines,
          lineParts;
    } push{word(c.rows),        word(c.groups),  word(c.channels), word(c.kh),        word(c.kw),        word(p.R),
           word(p.stepsX),      word(images),    word(c.N),        word(c.stride[0]), word(c.stride[1]), word(c.dilation[0]),
           word(c.dilation[1]), word(p.phasesX), word(p.phasesY),  word(p.rows),      word(p.rowTexels), word(blocks(c.OW, 4)),
           word(c.OH),          word(lines),     word(lineParts)};
    const std::int64_t lanes = depthwise ? c.groups : c.channels, laneBlocks = !depthwise && c.channels > 8 ? 2 : 1;
    stream.dispatch("kernels/conv2d_weight_gradient",
                    {{padded.device(stream), gpu::Access::read},
                     {packed.device(stream), gpu::Access::read},
                     {partial.deviceForWriting(stream), gpu::Access::write}},
                    push,
                    {word(depthwise ? c.rows : blocks(c.rows, 16)), word(blocks(lanes, 8 * laneBlocks) * c.kh * p.stepsX),
                     word(depthwise ? parts : parts * c.groups)},
                    {word(p.taps), p.misaligned ? 1u : 0u, depthwise ? 1u : 0u, word(laneBlocks), word(p.spacing)});
  } else {
    TiledPush push = tiledPush(c, images, 1, {});
    push.planeHeight = word(lines), push.planeWidth = word(lineParts);
    const gpu::Binding bindings[] = {{gradient.device(stream), gpu::Access::read},
                                     {x.device(stream), gpu::Access::read},
                                     {x.device(stream), gpu::Access::read},
                                     {partial.deviceForWriting(stream), gpu::Access::write}};
    dispatchTiled(stream, bindings, push, c.rows, word(blocks(c.channels * c.kh * c.kw, matrix ? 4 * matrix->n : 64)),
                  word(parts * c.groups), 1, false, matrix);
  }
  return (parts == 1 ? partial : reduce(stream, partial, 0, Reduction::sum)).reshaped(shape);
}

}  // namespace orrery::kernels
