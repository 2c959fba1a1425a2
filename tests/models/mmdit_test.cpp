// The joint block against a double-precision reference written from the formulas, its symmetries, and what its file reader accepts.

#include "core/models/mmdit.h"

#include <cmath>
#include <limits>

#include "core/base/philox.h"
#include "core/modelfile/safetensors_write.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_oracle.h"
#include "tests/support/scratch.h"

using namespace orrery;
using models::MmditBlock;
using models::MmditSide;
using models::QkNorm;

namespace {

using Rows = std::vector<double>;

Rows rowsOf(const Tensor& t) {
  const auto values = t.toFloats();
  return Rows(values.begin(), values.end());
}

// y = W x + b for each row.
Rows dense(const MmditSide::Dense& dense, const Rows& x, std::size_t in) {
  const Rows w = rowsOf(dense.weight), b = dense.bias.empty() ? Rows(w.size() / in, 0.0) : rowsOf(dense.bias);
  const std::size_t out = w.size() / in, n = x.size() / in;
  Rows y(n * out);
  for (std::size_t r = 0; r < n; ++r) {
    for (std::size_t o = 0; o < out; ++o) {
      double sum = b[o];
      for (std::size_t i = 0; i < in; ++i) sum += w[o * in + i] * x[r * in + i];
      y[r * out + o] = sum;
    }
  }
  return y;
}

// Rows of `width`: minus their mean (unless rms), over their root mean square, times a gain, plus a shift.
Rows normed(const Rows& x, std::size_t width, bool rms, const Tensor& gain, const Tensor& shift) {
  Rows y = x;
  const Rows g = gain.empty() ? Rows(width, 1.0) : rowsOf(gain), s = shift.empty() ? Rows(width, 0.0) : rowsOf(shift);
  for (std::size_t r = 0; r < x.size() / width; ++r) {
    double mean = 0, squares = 0;
    for (std::size_t i = 0; i < width; ++i) mean += rms ? 0 : x[r * width + i] / static_cast<double>(width);
    for (std::size_t i = 0; i < width; ++i) squares += std::pow(x[r * width + i] - mean, 2) / static_cast<double>(width);
    for (std::size_t i = 0; i < width; ++i) y[r * width + i] = (x[r * width + i] - mean) / std::sqrt(squares + 1e-6) * g[i] + s[i];
  }
  return y;
}

struct Side {
  Rows m, x, q, k, v, out;
};

Rows modulated(const Rows& x, const Rows& m, std::size_t d, std::size_t shift, std::size_t scale) {
  Rows y = normed(x, d, false, {}, {});
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = y[i] * (1 + m[scale * d + i % d]) + m[shift * d + i % d];
  return y;
}

// softmax(q k^T / sqrt(dh)) v for each head of rows [n, d].
Rows attend(const Rows& q, const Rows& k, const Rows& v, std::size_t d, std::size_t heads) {
  const std::size_t dh = d / heads;
  const std::size_t n = q.size() / d;
  Rows mixed(n * d, 0.0);
  for (std::size_t h = 0; h < heads; ++h) {
    for (std::size_t i = 0; i < n; ++i) {
      Rows p(n);
      double most = -1e300, sum = 0;
      for (std::size_t j = 0; j < n; ++j) {
        for (std::size_t c = 0; c < dh; ++c) p[j] += q[i * d + h * dh + c] * k[j * d + h * dh + c] / std::sqrt(static_cast<double>(dh));
        most = std::max(most, p[j]);
      }
      for (double& value : p) sum += value = std::exp(value - most);
      for (std::size_t j = 0; j < n; ++j) {
        for (std::size_t c = 0; c < dh; ++c) mixed[i * d + h * dh + c] += p[j] / sum * v[j * d + h * dh + c];
      }
    }
  }
  return mixed;
}

// Both sides' outputs, by the formulas at the head of core/models/mmdit.h.
std::array<Rows, 2> reference(const MmditBlock& block, const Tensor& text, const Tensor& image, const Tensor& y, double weightScale,
                              double gates) {
  const auto d = static_cast<std::size_t>(block.width), heads = static_cast<std::size_t>(block.heads), dh = d / heads;
  Rows told = rowsOf(y);
  for (double& v : told) v = v / (1 + std::exp(-v));
  Side sides[2];
  const MmditSide* weights[2] = {&block.text, &block.image};
  const Tensor* inputs[2] = {&text, &image};
  for (int s = 0; s < 2; ++s) {
    Side& side = sides[s];
    if (inputs[s]->empty()) continue;
    side.x = rowsOf(*inputs[s]);
    side.m = dense(weights[s]->modulation, told, d);
    const Rows packed = dense(weights[s]->qkv, modulated(side.x, side.m, d, 0, 1), d);
    for (std::size_t r = 0; r < side.x.size() / d; ++r) {
      for (std::size_t i = 0; i < d; ++i) {
        side.q.push_back(weightScale * packed[r * 3 * d + i]);
        side.k.push_back(weightScale * packed[r * 3 * d + d + i]);
        side.v.push_back(packed[r * 3 * d + 2 * d + i]);
      }
    }
    if (block.norm != QkNorm::off) {
      const bool rms = block.norm == QkNorm::rms;
      side.q = normed(side.q, dh, rms, weights[s]->gainQ, rms ? Tensor() : weights[s]->shiftQ);
      side.k = normed(side.k, dh, rms, weights[s]->gainK, rms ? Tensor() : weights[s]->shiftK);
    }
  }
  Rows q, k, v;
  for (const Side& side : sides) {
    q.insert(q.end(), side.q.begin(), side.q.end()), k.insert(k.end(), side.k.begin(), side.k.end()),
        v.insert(v.end(), side.v.begin(), side.v.end());
  }
  const Rows mixed = attend(q, k, v, d, heads);
  std::array<Rows, 2> result;
  std::size_t first = 0;
  for (int s = 0; s < 2; ++s) {
    Side& side = sides[s];
    const std::size_t count = side.x.size() / d;
    const Rows own(mixed.begin() + static_cast<std::ptrdiff_t>(first * d),
                   mixed.begin() + static_cast<std::ptrdiff_t>((first + count) * d));
    first += count;
    if (count == 0 || weights[s]->ends()) continue;
    Rows x = side.x;
    Rows alone(x.size(), 0.0);
    if (weights[s]->attendsAlone()) {
      const auto& own2 = weights[s]->own;
      const Rows packed = dense(own2.qkv, modulated(side.x, side.m, d, 6, 7), d);
      Rows q2, k2, v2;
      for (std::size_t r = 0; r < count; ++r) {
        for (std::size_t i = 0; i < d; ++i) {
          q2.push_back(weightScale * packed[r * 3 * d + i]), k2.push_back(weightScale * packed[r * 3 * d + d + i]);
          v2.push_back(packed[r * 3 * d + 2 * d + i]);
        }
      }
      if (block.norm != QkNorm::off) {
        const bool rms = block.norm == QkNorm::rms;
        q2 = normed(q2, dh, rms, own2.gainQ, rms ? Tensor() : own2.shiftQ),
        k2 = normed(k2, dh, rms, own2.gainK, rms ? Tensor() : own2.shiftK);
      }
      alone = dense(own2.proj, attend(q2, k2, v2, d, heads), d);
    }
    const Rows attended = dense(weights[s]->proj, own, d);
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] += gates * (side.m[2 * d + i % d] * attended[i] + (weights[s]->attendsAlone() ? side.m[8 * d + i % d] * alone[i] : 0));
    const std::size_t inner = static_cast<std::size_t>(weights[s]->up.weight.shape()[0]);
    Rows hidden = dense(weights[s]->up, modulated(x, side.m, d, 3, 4), d);
    for (double& a : hidden) a = 0.5 * a * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (a + 0.044715 * a * a * a)));
    const Rows added = dense(weights[s]->down, hidden, inner);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += gates * side.m[5 * d + i % d] * added[i];
    result[static_cast<std::size_t>(s)] = x;
  }
  return result;
}

Tensor some(Shape shape, std::uint32_t number, float mean = 0, float deviation = 1) {
  std::vector<float> values;
  for (std::uint32_t i = 0; static_cast<std::int64_t>(values.size()) < shape.count(); ++i) {
    const auto words = philox({i, number, 0, 0}, philoxKey(9));
    values.push_back(mean + deviation * static_cast<float>(philoxNormals(words[0], words[1])[0]));
  }
  return Tensor::from(shape, values);
}

// With everything a file may hold: biases, gains, shifts.
MmditBlock fullBlock(gpu::Stream& stream, QkNorm norm, bool textEnds = false, bool alone = false) {
  models::RandomMmdit options;
  options.depth = 2, options.norm = norm, options.textEnds = textEnds, options.alike = 0.4, options.seed = 3;
  MmditBlock block = models::randomMmditBlock(stream, options);
  std::uint32_t number = 500;
  if (alone) {
    block.image.modulation.weight = some(Shape{9 * 128, 128}, number++, 0, 0.05f);
    block.image.own.qkv = {some(Shape{3 * 128, 128}, number, 0, 0.09f), some(Shape{3 * 128}, number + 1, 0, 0.2f)};
    block.image.own.proj = {some(Shape{128, 128}, number + 2, 0, 0.09f), some(Shape{128}, number + 3, 0, 0.2f)};
    block.image.own.gainQ = some(Shape{64}, number + 4, 1, 0.1f), block.image.own.gainK = some(Shape{64}, number + 5, 1, 0.1f);
    number += 6;
  }
  for (MmditSide* side : {&block.text, &block.image}) {
    for (MmditSide::Dense* part : {&side->modulation, &side->qkv, &side->proj, &side->up, &side->down}) {
      if (!part->weight.empty()) part->bias = some(Shape{part->weight.shape()[0]}, number++, 0, 0.2f);
    }
    side->gainQ = some(Shape{64}, number++, 1, 0.1f), side->gainK = some(Shape{64}, number++, 1, 0.1f);
    side->shiftQ = some(Shape{64}, number++, 0, 0.1f), side->shiftK = some(Shape{64}, number++, 0, 0.1f);
  }
  return block;
}

// Sums of a few hundred products of numbers of size one, in f32: relative 1e-5 (class A).
constexpr double classA = 1e-5;

}  // namespace

TEST_CASE("a joint block is what its formulas say, under every norm, and with a text side that ends") {
  gpu::Stream stream = orrery::testing::openStream();
  const Tensor text = some(Shape{5, 128}, 1), image = some(Shape{9, 128}, 2), y = some(Shape{128}, 3);
  for (const QkNorm norm : {QkNorm::off, QkNorm::rms, QkNorm::layer}) {
    for (const bool ends : {false, true}) {
      const MmditBlock block = fullBlock(stream, norm, ends);
      const auto found = models::mmditBlock(stream, block, text, image, y, {1.5, 0.7});
      const auto expected = reference(block, text, image, y, 1.5, 0.7);
      INFO(static_cast<int>(norm) << ends);
      CHECK(compare(found.image, expected[1]).worst < classA);
      CHECK(found.text.empty() == ends);
      if (!ends) CHECK(compare(found.text, expected[0]).worst < classA);
    }
  }
}

TEST_CASE("an image side that also attends to itself alone, as in Stable Diffusion 3.5 medium") {
  gpu::Stream stream = orrery::testing::openStream();
  const Tensor text = some(Shape{5, 128}, 1), image = some(Shape{9, 128}, 2), y = some(Shape{128}, 3);
  for (const QkNorm norm : {QkNorm::off, QkNorm::rms}) {
    const MmditBlock block = fullBlock(stream, norm, false, true);
    const auto found = models::mmditBlock(stream, block, text, image, y, {1.5, 0.7});
    const auto expected = reference(block, text, image, y, 1.5, 0.7);
    CHECK(compare(found.image, expected[1]).worst < classA);
    CHECK(compare(found.text, expected[0]).worst < classA);
    MmditBlock without = block;
    without.image.own = {};
    CHECK(compare(models::mmditBlock(stream, without, text, image, y, {1.5, 0.7}).image, expected[1]).worst > 0.01);
  }
}

TEST_CASE("without text a joint block is plain self-attention over the image") {
  gpu::Stream stream = orrery::testing::openStream();
  const Tensor image = some(Shape{9, 128}, 2), y = some(Shape{128}, 3);
  const MmditBlock block = fullBlock(stream, QkNorm::rms);
  const auto found = models::mmditBlock(stream, block, {}, image, y);
  CHECK(compare(found.image, reference(block, {}, image, y, 1, 1)[1]).worst < classA);
  CHECK(found.text.empty());
  CHECK(found.attention.output.shape() == Shape({2, 9, 64}));
}

TEST_CASE("text tokens in another order: their outputs in that order, the image's unchanged") {
  gpu::Stream stream = orrery::testing::openStream();
  const Tensor text = some(Shape{6, 128}, 1), image = some(Shape{9, 128}, 2), y = some(Shape{128}, 3);
  const std::size_t order[] = {4, 0, 5, 2, 1, 3};
  std::vector<float> turned;
  const auto values = text.as<float>();
  for (const std::size_t i : order)
    turned.insert(turned.end(), values.begin() + static_cast<std::ptrdiff_t>(i * 128),
                  values.begin() + static_cast<std::ptrdiff_t>((i + 1) * 128));
  const MmditBlock block = fullBlock(stream, QkNorm::rms);
  const auto before = models::mmditBlock(stream, block, text, image, y),
             after = models::mmditBlock(stream, block, Tensor::from(Shape{6, 128}, turned), image, y);
  CHECK(compare(after.image, rowsOf(before.image)).worst < classA);
  const Rows first = rowsOf(before.text);
  Rows expected;
  for (const std::size_t i : order)
    expected.insert(expected.end(), first.begin() + static_cast<std::ptrdiff_t>(i * 128),
                    first.begin() + static_cast<std::ptrdiff_t>((i + 1) * 128));
  CHECK(compare(after.text, expected).worst < classA);
  CHECK(compare(after.text, first).worst > 0.1);  // the order did matter
}

TEST_CASE("with gates of zero a joint block is the identity, bit for bit") {
  gpu::Stream stream = orrery::testing::openStream();
  const Tensor text = some(Shape{5, 128}, 1), image = some(Shape{9, 128}, 2), y = some(Shape{128}, 3);
  const auto found = models::mmditBlock(stream, fullBlock(stream, QkNorm::rms), text, image, y, {1, 0});
  CHECK(found.image.toFloats() == image.toFloats());
  CHECK(found.text.toFloats() == text.toFloats());
}

TEST_CASE("with unit gains no logit exceeds 8, whatever the weights' scale; without norms they grow with its square") {
  gpu::Stream stream = orrery::testing::openStream();
  models::RandomMmdit options;
  options.depth = 2, options.alike = 1, options.seed = 5;  // equal query and key weights: a token's logit with itself is at the bound
  const MmditBlock block = models::randomMmditBlock(stream, options);
  const Tensor text = some(Shape{20, 128}, 1), image = some(Shape{40, 128}, 2), y = some(Shape{128}, 3);
  const auto run = models::mmditBlock(stream, block, text, image, y);
  const auto most = [&](QkNorm norm, double scale) {
    const auto heads = models::joinHeads(stream, block, run.projections, norm, scale);
    const auto logits = rowsOf(models::largestLogits(stream, heads.q, heads.k));
    CHECK(logits.size() == 2);
    return *std::max_element(logits.begin(), logits.end());
  };
  for (const double scale : {0.1, 1.0, 30.0, 100.0}) {
    for (const QkNorm norm : {QkNorm::rms, QkNorm::layer}) {
      INFO(scale);
      CHECK(most(norm, scale) <= 8 * (1 + classA));
      if (scale >= 1) CHECK(most(norm, scale) > 7.999);
    }
  }
  CHECK(most(QkNorm::off, 100) == Approx(1e4 * most(QkNorm::off, 1)).epsilon(1e-4));
  CHECK(most(QkNorm::off, 100) > 1e4);
}

namespace {

using Tensors = std::vector<std::pair<std::string, Tensor>>;

Tensors fileTensors(const MmditBlock& block, const std::string& prefix, std::int64_t blocks) {
  Tensors all;
  for (std::int64_t i = 0; i < blocks; ++i) {
    for (const auto& [name, side] : {std::pair<std::string, const MmditSide*>{"context_block", &block.text}, {"x_block", &block.image}}) {
      const std::string at = prefix + "joint_blocks." + std::to_string(i) + "." + name + ".";
      const auto add = [&](const std::string& part, const MmditSide::Dense& dense) {
        if (dense.weight.empty()) return;
        all.emplace_back(at + part + ".weight", dense.weight);
        if (!dense.bias.empty()) all.emplace_back(at + part + ".bias", dense.bias);
      };
      add("adaLN_modulation.1", side->modulation), add("attn.qkv", side->qkv), add("attn.proj", side->proj);
      add("mlp.fc1", side->up), add("mlp.fc2", side->down);
      if (side->attendsAlone()) {
        add("attn2.qkv", side->own.qkv), add("attn2.proj", side->own.proj);
        all.emplace_back(at + "attn2.ln_q.weight", side->own.gainQ), all.emplace_back(at + "attn2.ln_k.weight", side->own.gainK);
      }
      if (block.norm != QkNorm::off)
        all.emplace_back(at + "attn.ln_q.weight", side->gainQ), all.emplace_back(at + "attn.ln_k.weight", side->gainK);
    }
  }
  all.emplace_back(prefix + "x_embedder.proj.weight", some(Shape{128, 16, 2, 2}, 90));
  all.emplace_back(prefix + "pos_embed", some(Shape{1, 144, 128}, 91));
  all.emplace_back(prefix + "context_embedder.weight", some(Shape{128, 96}, 92));
  return all;
}

}  // namespace

TEST_CASE("a file's sizes are read from shapes, and its block runs as it was written") {
  gpu::Stream stream = orrery::testing::openStream();
  const orrery::testing::Scratch folder;
  const MmditBlock block = fullBlock(stream, QkNorm::rms, true, true);
  auto tensors = fileTensors(block, "model.diffusion_model.", 2);
  tensors.emplace_back("first_stage_model.decoder.conv_in.weight", some(Shape{8, 16, 3, 3}, 93));
  const std::string path = folder.path("sd3.safetensors");
  REQUIRE(modelfile::writeSafetensors(path, tensors));
  const auto file = models::MmditFile::open(path);
  REQUIRE(file);
  CHECK(file->width == 128);
  CHECK(file->heads == 2);
  CHECK(file->blocks == 2);
  CHECK((file->norm == QkNorm::rms));
  CHECK(file->latentChannels == 16);
  CHECK(file->patch == 2);
  CHECK(file->tableSide == 12);
  CHECK(file->textWidth == 96);
  CHECK(file->autoencoderChannels == 16);
  const auto read = file->block(1, 1e9);
  REQUIRE(read);
  CHECK(read->text.ends());
  const Tensor text = some(Shape{5, 128}, 1), image = some(Shape{9, 128}, 2), y = some(Shape{128}, 3);
  CHECK(models::mmditBlock(stream, *read, text, image, y).image.toFloats() ==
        models::mmditBlock(stream, block, text, image, y).image.toFloats());
}

TEST_CASE("files that are no joint blocks, or odd ones, are named in one sentence") {
  gpu::Stream stream = orrery::testing::openStream();
  const orrery::testing::Scratch folder;
  const MmditBlock block = fullBlock(stream, QkNorm::rms);
  const auto errorOf = [&](const Tensors& tensors, std::int64_t index = 0, double bytes = 1e9) {
    const std::string path = folder.path("odd.safetensors");
    REQUIRE(modelfile::writeSafetensors(path, tensors));
    const auto file = models::MmditFile::open(path);
    if (!file) return file.error().message;
    const auto read = file->block(index, bytes);
    return read ? std::string("no error") : read.error().message;
  };
  const auto good = fileTensors(block, "", 1);
  CHECK(errorOf(good) == "no error");
  CHECK(errorOf(good, 1).find("block 1 was asked for") != std::string::npos);
  CHECK(errorOf(good, 0, 1000).find("GiB") != std::string::npos);
  CHECK(errorOf({{"weight", some(Shape{2, 2}, 1)}}).find("expected the layout of Stable Diffusion 3") != std::string::npos);
  CHECK(errorOf({{"transformer_blocks.0.attn.add_q_proj.weight", some(Shape{2, 2}, 1)}}).find("diffusers") != std::string::npos);
  const auto with = [&](const std::string& name, const Tensor& tensor) {
    Tensors changed = good;
    for (auto& [key, value] : changed) {
      if (key == name) {
        value = tensor;
        return changed;
      }
    }
    changed.emplace_back(name, tensor);
    return changed;
  };
  // A second attention without its projection.
  CHECK(errorOf(with("joint_blocks.0.x_block.attn2.qkv.weight", some(Shape{384, 128}, 1))).find("[1152, 128] is needed") !=
        std::string::npos);
  CHECK(errorOf(with("joint_blocks.0.x_block.mlp.w1.weight", some(Shape{384, 128}, 1))).find("SwiGLU") != std::string::npos);
  CHECK(errorOf(with("joint_blocks.0.x_block.attn.proj.weight", some(Shape{128, 64}, 1))).find("[128, 128] is needed") !=
        std::string::npos);
  // Heads of 48 do not divide a width of 128.
  CHECK(errorOf(with("joint_blocks.0.x_block.attn.ln_q.weight", some(Shape{48}, 1))).find("cannot be cut into heads of 48") !=
        std::string::npos);
  std::vector<float> values(128 * 128, 1.0f);
  values[7] = std::numeric_limits<float>::quiet_NaN();
  CHECK(errorOf(with("joint_blocks.0.x_block.attn.proj.weight", Tensor::from(Shape{128, 128}, values)))
            .find("1 values that are not finite") != std::string::npos);
}
