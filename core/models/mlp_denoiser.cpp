#include "core/models/mlp_denoiser.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <numbers>

#include "core/base/text.h"
#include "core/kernels/matmul.h"
#include "core/kernels/slice.h"
#include "core/modelfile/tensor_file.h"
#include "core/models/bundled.h"

namespace orrery::models {

namespace {

constexpr std::int64_t mostCoordinates = 64;
constexpr std::int64_t mostRows = 1 << 15;  // particles evaluated at once on the device: 1024 units of a layer fill 128 MiB

// "layers.10.weight" after "layers.2.weight": numbers count as numbers.
bool naturallyBefore(const std::string& a, const std::string& b) {
  std::size_t i = 0, j = 0;
  const auto isDigit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  while (i < a.size() && j < b.size()) {
    if (isDigit(a[i]) && isDigit(b[j])) {
      std::size_t endA = i, endB = j;
      while (endA < a.size() && isDigit(a[endA])) ++endA;
      while (endB < b.size() && isDigit(b[endB])) ++endB;
      const std::string numberA = a.substr(i, endA - i), numberB = b.substr(j, endB - j);
      if (numberA.size() != numberB.size()) return numberA.size() < numberB.size();
      if (numberA != numberB) return numberA < numberB;
      i = endA, j = endB;
    } else if (a[i] != b[j]) {
      return a[i] < b[j];
    } else {
      ++i, ++j;
    }
  }
  return a.size() - i < b.size() - j;
}

// The first place where the matrices do not follow one another, or their number.
std::size_t chained(const std::vector<std::vector<std::int64_t>>& matrices) {
  for (std::size_t i = 1; i < matrices.size(); ++i) {
    if (matrices[i][1] != matrices[i - 1][0]) return i;
  }
  return matrices.size();
}

Expected<std::vector<double>> readFinite(const modelfile::TensorFile& file, const std::string& name, const std::string& path) {
  std::int64_t notFinite = 0;
  const auto tensor = file.read(name, &notFinite);
  if (!tensor) return tensor.error();
  if (notFinite > 0) {
    return makeError(ErrorCode::badInput, trf("{}: the tensor '{}' holds {} values that are NaN or infinite; a network needs finite ones", path,
                                              name, notFinite));
  }
  const auto values = tensor->toFloats();
  return std::vector<double>(values.begin(), values.end());
}

struct NamedFunction {
  std::string_view name;
  kernels::Unary function;
};
constexpr NamedFunction activations[] = {{"silu", kernels::Unary::silu},
                                         {"relu", kernels::Unary::relu},
                                         {"tanh", kernels::Unary::tanh},
                                         {"gelu", kernels::Unary::gelu},
                                         {"softplus", kernels::Unary::softplus}};

}  // namespace

bool MlpDenoiser::fits(const std::vector<std::vector<std::int64_t>>& matrices) {
  return matrices.size() >= 2 && chained(matrices) == matrices.size() && matrices.back()[0] <= mostCoordinates &&
         matrices.front()[1] > matrices.back()[0];
}

Expected<MlpDenoiser> MlpDenoiser::open(const std::string& path, const NetworkStated& stated, const std::string& activation) {
  const auto file = modelfile::TensorFile::open(path);
  if (!file) return file.error();
  std::vector<const TensorSummary*> matrices;
  for (const TensorSummary& tensor : file->tensors())
    if (tensor.shape.size() == 2) matrices.push_back(&tensor);
  std::sort(matrices.begin(), matrices.end(), [](const auto* a, const auto* b) { return naturallyBefore(a->name, b->name); });
  if (matrices.size() < 2) {
    return makeError(ErrorCode::badInput, trf("{} holds {} matrices; a multilayer perceptron has at least two, as [out, in] of torch.nn.Linear",
                                              path, matrices.size()));
  }
  std::vector<std::vector<std::int64_t>> shapes;
  for (const auto* matrix : matrices) shapes.push_back(matrix->shape);
  if (const std::size_t at = chained(shapes); at < shapes.size()) {
    return makeError(ErrorCode::badInput,
                     trf("{} is no chain of layers: '{}' gives {} numbers and '{}' takes {}", path, matrices[at - 1]->name, shapes[at - 1][0],
                         matrices[at]->name, shapes[at][1]));
  }

  MlpDenoiser network;
  const std::int64_t d = shapes.back()[0], extra = shapes.front()[1] - d;
  if (d < 1 || d > mostCoordinates) {
    return makeError(ErrorCode::unsupported, trf("{} gives {} coordinates; 1 to {} can be shown", path, d, mostCoordinates));
  }
  network.dimension_ = static_cast<std::size_t>(d);
  for (const auto* matrix : matrices) {
    Layer layer{static_cast<std::size_t>(matrix->shape[1]), static_cast<std::size_t>(matrix->shape[0]), {}, {}};
    auto weight = readFinite(*file, matrix->name, path);
    if (!weight) return weight.error();
    layer.weight = *std::move(weight);
    layer.bias.assign(layer.out, 0.0);
    std::string biasName = matrix->name;
    if (biasName.ends_with("weight")) biasName.replace(biasName.size() - 6, 6, "bias");
    if (biasName != matrix->name && file->contains(biasName)) {
      auto bias = readFinite(*file, biasName, path);
      if (!bias) return bias.error();
      if (bias->size() != layer.out) {
        return makeError(ErrorCode::badInput, trf("{}: the tensor '{}' should have {} values, found {}", path, biasName, layer.out, bias->size()));
      }
      layer.bias = *std::move(bias);
    }
    if (!network.layers_.empty() && matrix != matrices.back()) {
      layer.deviceWeight =
          Tensor::from(Shape{matrix->shape[0], matrix->shape[1]}, std::vector<float>(layer.weight.begin(), layer.weight.end()));
      layer.deviceBias = Tensor::from(Shape{matrix->shape[0]}, std::vector<float>(layer.bias.begin(), layer.bias.end()));
    }
    network.layers_.push_back(std::move(layer));
  }

  // What the file does not say: config.json, then what the user states.
  network.meaning_ = {diffusion::Prediction::epsilon, ToldTime::unit, findRegistered<diffusion::Process>("vp"), 0.5, 1};
  std::string function = "silu", where = path;
  const std::filesystem::path given(path);
  const std::string folder = given.has_parent_path() ? given.parent_path().string() : ".", configPath = folder + "/config.json";
  std::error_code ignored;
  if (std::filesystem::is_regular_file(configPath, ignored)) {
    const auto saved = SavedModel::open(folder);
    if (!saved) return saved.error();
    where = configPath;
    if (auto read = network.meaning_.read(saved->config, where); !read) return read.error();
    if (const auto found = saved->config.find("activation"); found != saved->config.end() && found->is_string()) function = *found;
    if (const auto found = saved->config.find("feature_scale"); found != saved->config.end() && found->is_number()) network.featureScale_ = *found;
    if (const auto found = saved->config.find("frequencies"); found != saved->config.end() && found->is_array()) {
      for (const auto& f : *found) {
        if (!f.is_number()) return makeError(ErrorCode::badInput, trf("{}: 'frequencies' should be numbers, found {}", where, f.dump()));
        network.frequencies_.push_back(f.get<double>());
      }
    }
  }
  if (auto taken = network.meaning_.take(stated, path); !taken) return taken.error();
  if (!activation.empty()) function = activation;
  const auto known = std::find_if(std::begin(activations), std::end(activations), [&](const auto& one) { return one.name == function; });
  if (known == std::end(activations)) {
    return makeError(ErrorCode::badInput, trf("{}: 'activation' should be silu, relu, tanh, gelu or softplus, found '{}'", where, function));
  }
  network.activation_ = known->function;

  const auto features = static_cast<std::int64_t>(2 * network.frequencies_.size());
  if (extra == 1 && features == 0) return network;
  if (features > 0 && extra == features) return network;
  if (extra <= 0) {
    return makeError(ErrorCode::badInput, trf("'{}' of {} takes {} numbers and the network gives {}: there is no room for the time, without which "
                                              "it cannot know the noise level",
                                              matrices.front()->name, path, shapes.front()[1], d));
  }
  return makeError(ErrorCode::badInput,
                   trf("'{}' of {} takes {} numbers beside {} coordinates, found {} frequencies: expected 1, the time, or the features of "
                       "{} 'frequencies' in a config.json beside the file",
                       matrices.front()->name, path, extra, d, network.frequencies_.size(), extra / 2));
}

std::vector<double> MlpDenoiser::toldFeatures(double level) const {
  const double t = meaning_.told(level);
  if (frequencies_.empty()) return {t};
  std::vector<double> features(2 * frequencies_.size());
  for (std::size_t k = 0; k < frequencies_.size(); ++k) {
    const double phase = 2 * std::numbers::pi * frequencies_[k] * t;
    features[k] = featureScale_ * std::cos(phase), features[frequencies_.size() + k] = featureScale_ * std::sin(phase);
  }
  return features;
}

std::size_t MlpDenoiser::parameters() const {
  std::size_t count = 0;
  for (const Layer& layer : layers_) count += layer.weight.size() + layer.bias.size();
  return count;
}

diffusion::State MlpDenoiser::denoise(const diffusion::State& x, double level) const {
  const std::size_t d = dimension_, n = x.size() / d;
  const double scale = meaning_.inputScale(level);
  // Rows are features and columns particles, so that the innermost loop runs along memory.
  std::vector<double> h(layers_.front().in * n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < d; ++k) h[k * n + i] = scale * x[i * d + k];
  const auto told = toldFeatures(level);
  for (std::size_t k = 0; k < told.size(); ++k) std::fill_n(h.begin() + static_cast<std::ptrdiff_t>((d + k) * n), n, told[k]);
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    std::vector<double> next(layer.out * n);
    for (std::size_t r = 0; r < layer.out; ++r) {
      double* row = next.data() + r * n;
      std::fill_n(row, n, layer.bias[r]);
      // Four columns at a time: a row is read and written a quarter as often.
      const double* weight = layer.weight.data() + r * layer.in;
      std::size_t c = 0;
      for (; c + 4 <= layer.in; c += 4) {
        const double* from = h.data() + c * n;
        const double w0 = weight[c], w1 = weight[c + 1], w2 = weight[c + 2], w3 = weight[c + 3];
        for (std::size_t i = 0; i < n; ++i) row[i] += w0 * from[i] + w1 * from[n + i] + w2 * from[2 * n + i] + w3 * from[3 * n + i];
      }
      for (; c < layer.in; ++c)
        for (std::size_t i = 0; i < n; ++i) row[i] += weight[c] * h[c * n + i];
      if (l + 1 < layers_.size())
        for (std::size_t i = 0; i < n; ++i) row[i] = kernels::unaryReference(activation_, row[i]);
    }
    h = std::move(next);
  }
  const diffusion::Linear linear = meaning_.denoised(level);
  diffusion::State result(x.size());
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < d; ++k) result[i * d + k] = linear.x * x[i * d + k] + linear.y * h[k * n + i];
  return result;
}

Tensor MlpDenoiser::denoise(gpu::Stream& stream, const Tensor& x, double level) const {
  const std::int64_t n = x.shape()[0];
  if (n > mostRows) {
    std::vector<Tensor> parts;
    for (std::int64_t row = 0; row < n; row += mostRows) parts.push_back(denoise(stream, x.rows(row, std::min(row + mostRows, n)), level));
    return kernels::concat(stream, parts, 0);
  }
  const std::size_t d = dimension_;
  const Layer &first = layers_.front(), &last = layers_.back();
  const double scale = meaning_.inputScale(level);
  const diffusion::Linear linear = meaning_.denoised(level);
  const auto told = toldFeatures(level);
  // One time for all: its features' share of the first layer is a bias. What x is multiplied by goes into the first weights, what the
  // output is multiplied by into the last.
  std::vector<float> weight, bias;
  for (std::size_t r = 0; r < first.out; ++r) {
    double sum = first.bias[r];
    for (std::size_t k = 0; k < told.size(); ++k) sum += first.weight[r * first.in + d + k] * told[k];
    bias.push_back(static_cast<float>(sum));
    for (std::size_t k = 0; k < d; ++k) weight.push_back(static_cast<float>(scale * first.weight[r * first.in + k]));
  }
  kernels::MatmulOptions product;
  product.transposeB = true;
  product.activation = activation_;
  product.bias = Tensor::from(Shape{static_cast<std::int64_t>(first.out)}, bias);
  Tensor h =
      kernels::matmul(stream, x, Tensor::from(Shape{static_cast<std::int64_t>(first.out), static_cast<std::int64_t>(d)}, weight), product);
  for (std::size_t l = 1; l + 1 < layers_.size(); ++l) {
    product.bias = layers_[l].deviceBias;
    h = kernels::matmul(stream, h, layers_[l].deviceWeight, product);
  }
  weight.clear(), bias.clear();
  for (const double w : last.weight) weight.push_back(static_cast<float>(linear.y * w));
  for (const double b : last.bias) bias.push_back(static_cast<float>(linear.y * b));
  product.activation.reset();
  product.bias = Tensor::from(Shape{static_cast<std::int64_t>(d)}, bias);
  product.residual = kernels::affine(stream, x, static_cast<float>(linear.x), 0);
  return kernels::matmul(stream, h, Tensor::from(Shape{static_cast<std::int64_t>(d), static_cast<std::int64_t>(last.in)}, weight), product);
}

}  // namespace orrery::models
