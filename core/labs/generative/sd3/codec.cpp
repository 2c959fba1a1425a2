// The linear codec. Sources: Esser et al. 2024, section 5.2.1 (more latent channels); the autoencoder's factor 8 of Rombach et al. 2022.
// Covariances and eigenvectors in double precision on the host.

#include "core/labs/generative/sd3/codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/data/shapeworld.h"
#include "core/labs/generative/sd3/picture.h"
#include "core/labs/generative/sd3/picture_file.h"
#include "core/labs/generative/shared/curves.h"
#include "core/labs/generative/shared/symmetric_eigen.h"

namespace orrery::generative::sd3 {

namespace {

constexpr std::size_t N = PatchCodec::values, S = PatchCodec::side;
constexpr int builtInPictures = 40, builtInSide = 128;  // 10 240 patches
constexpr std::size_t mostPatches = 32768;              // of a larger picture, evenly chosen ones are fitted to
constexpr double mostShown = 4;                         // the error is drawn this much enlarged

std::string percent(double share) { return fmt::format("{:.{}f}", 100 * share, share > 0.995 ? 2 : share > 0.1 ? 1 : 2); }

}  // namespace

PatchCodec PatchCodec::fit(const std::vector<float>& patches) {
  const std::size_t n = patches.size() / N;
  PatchCodec codec;
  codec.mean.assign(N, 0);
  for (std::size_t p = 0; p < n; ++p) {
    for (std::size_t i = 0; i < N; ++i) codec.mean[i] += static_cast<double>(patches[p * N + i]);
  }
  for (double& m : codec.mean) m /= static_cast<double>(n);
  std::vector<double> covariance(N * N, 0.0), centred(N);
  for (std::size_t p = 0; p < n; ++p) {
    for (std::size_t i = 0; i < N; ++i) centred[i] = static_cast<double>(patches[p * N + i]) - codec.mean[i];
    for (std::size_t i = 0; i < N; ++i) {
      const double x = centred[i];
      double* row = &covariance[i * N];
      for (std::size_t j = 0; j <= i; ++j) row[j] += x * centred[j];
    }
  }
  for (double& c : covariance) c /= static_cast<double>(n);
  auto eigen = symmetricEigen(covariance, N);
  codec.eigenvalues = std::move(eigen.values);
  for (double& value : codec.eigenvalues) value = std::max(value, 0.0);
  codec.vectors = std::move(eigen.vectors);
  return codec;
}

void PatchCodec::encode(const float* patch, std::size_t channels, double* z) const {
  double centred[N];
  for (std::size_t i = 0; i < N; ++i) centred[i] = static_cast<double>(patch[i]) - mean[i];
  for (std::size_t c = 0; c < channels; ++c) {
    double sum = 0;
    for (std::size_t i = 0; i < N; ++i) sum += vectors[c * N + i] * centred[i];
    z[c] = sum;
  }
}

void PatchCodec::decode(const double* z, std::size_t channels, double* patch) const {
  std::copy(mean.begin(), mean.end(), patch);
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t i = 0; i < N; ++i) patch[i] += z[c] * vectors[c * N + i];
  }
}

std::vector<float> patchesOf(const std::vector<std::uint8_t>& rgb, int width, int height) {
  const auto w = static_cast<std::size_t>(width), rows = static_cast<std::size_t>(height) / S, columns = w / S;
  std::vector<float> patches;
  patches.reserve(rows * columns * N);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) {
      for (std::size_t y = 0; y < S; ++y) {
        const std::uint8_t* line = &rgb[((r * S + y) * w + c * S) * 3];
        for (std::size_t i = 0; i < 3 * S; ++i) patches.push_back(static_cast<float>(line[i]) / 127.5f - 1);
      }
    }
  }
  return patches;
}

bool LatentCodec::touched(const LabContext& context) const { return context.anyChanged({"picture", "fit", "channels"}); }

Expected<void> LatentCodec::update(LabContext& context) {
  const bool given = !context.file("picture").path.empty();
  const std::string wanted = keyOf(context, {"picture", "fit"});
  if (fittedTo_ != wanted) {
    fittedTo_.clear();
    if (given) {
      auto picture = readPicturePixels(context);
      if (!picture) return picture.error();
      rgb_ = std::move(picture->rgb);
      width_ = picture->width, height_ = picture->height, cut_ = std::move(picture->cut);
      const std::vector<float> all = patchesOf(rgb_, width_, height_);
      const std::size_t count = all.size() / N, kept = std::min(count, mostPatches);
      sample_.clear();
      for (std::size_t i = 0; i < kept; ++i) {
        const float* patch = &all[i * count / kept * N];
        sample_.insert(sample_.end(), patch, patch + N);
      }
    } else {
      shapeworld::Options options;
      options.split = shapeworld::Split::demo, options.profile = shapeworld::Profile::scene;
      sample_.clear();
      cut_.clear();
      width_ = height_ = builtInSide;
      for (int i = 0; i < builtInPictures; ++i) {
        if (context.cancelled()) return makeError(ErrorCode::cancelled, tr("cancelled"));
        const auto index = static_cast<std::uint32_t>(3 + i);
        const auto picture = shapeworld::render(shapeworld::makeScene(index, options), builtInSide, options);
        if (i == 0) rgb_ = picture.rgb;
        const auto patches = patchesOf(picture.rgb, builtInSide, builtInSide);
        sample_.insert(sample_.end(), patches.begin(), patches.end());
      }
    }
    context.progress(0.3, tr("principal components"));
    codec_ = PatchCodec::fit(sample_);
    fittedTo_ = wanted;
  }
  channels_ = static_cast<std::size_t>(context.integer("channels"));
  measure();
  return {};
}

void LatentCodec::measure() {
  // Over the patches the codec was fitted to.
  std::vector<double> z(channels_), back(N);
  const std::size_t n = sample_.size() / N;
  error_ = 0;
  for (std::size_t p = 0; p < n; ++p) {
    codec_.encode(&sample_[p * N], channels_, z.data());
    codec_.decode(z.data(), channels_, back.data());
    for (std::size_t i = 0; i < N; ++i) {
      const double d = back[i] - static_cast<double>(sample_[p * N + i]);
      error_ += d * d;
    }
  }
  error_ /= static_cast<double>(n * N);

  // The picture shown: its latents, what comes back, and what is missing.
  const auto patches = patchesOf(rgb_, width_, height_);
  const auto columns = static_cast<std::size_t>(width_) / S, w = static_cast<std::size_t>(width_);
  std::vector<double> original(rgb_.size()), restored(rgb_.size()), difference(rgb_.size());
  latents_.clear();
  pictureError_ = 0;
  for (std::size_t p = 0; p < patches.size() / N; ++p) {
    codec_.encode(&patches[p * N], channels_, z.data());
    codec_.decode(z.data(), channels_, back.data());
    for (std::size_t c = 0; c < channels_; ++c) latents_.push_back(z[c] / std::sqrt(std::max(codec_.eigenvalues[c], 1e-12)));
    for (std::size_t i = 0; i < N; ++i) {
      const std::size_t y = p / columns * S + i / (3 * S), x = p % columns * S * 3 + i % (3 * S), at = y * w * 3 + x;
      original[at] = static_cast<double>(patches[p * N + i]);
      restored[at] = back[i];
      const double d = back[i] - original[at];
      difference[at] = mostShown * std::abs(d) - 1;
      pictureError_ += d * d;
    }
  }
  pictureError_ /= static_cast<double>(patches.size());
  original_ = rgbaOf(original, width_, height_);
  restored_ = rgbaOf(restored, width_, height_);
  difference_ = rgbaOf(difference, width_, height_);
}

double LatentCodec::keptShare() const {
  double all = 0, kept = 0;
  for (std::size_t i = 0; i < N; ++i) {
    all += codec_.eigenvalues[i];
    if (i < channels_) kept += codec_.eigenvalues[i];
  }
  return all > 0 ? kept / all : 1;
}

Panel LatentCodec::picturesPanel(bool withError) const {
  const double w = width_, h = height_, step = 1.06 * w, wide = withError ? 2 * step + w : step + w;
  Panel panel = picturePanel("pictures", wide, h, 0.02 * h, 0.01 * w, 0.1 * h);
  panel.title = trf("{} numbers for 192: what comes back", channels_);
  panel.note = cut_.empty() ? trf("{} % of the variance", percent(keptShare())) : cut_;
  panel.marks.push_back(pictureMark("original", original_));
  panel.marks.push_back(pictureMark("restored", restored_, step, 0, w, h));
  if (withError) panel.marks.push_back(pictureMark("difference", difference_, 2 * step, 0, w, h));
  auto words = std::make_shared<TextMark>("names");
  const double psnr = 10 * std::log10(4 / std::max(pictureError_, 1e-12));
  const std::string names[] = {trf("picture, {} × {}", width_, height_), trf("{} channels, {:.1f} dB", channels_, psnr),
                               trf("difference × {:.0f}", mostShown)};
  for (int i = 0; i < (withError ? 3 : 2); ++i) {
    words->words.push_back({i * step + w / 2, 1.03 * h, names[i], Paint::of(Role::muted), HAlign::center, VAlign::top, 7.5f});
  }
  panel.marks.push_back(std::move(words));
  return panel;
}

Panel LatentCodec::curvePanel() const {
  Panel panel;
  panel.id = "error";
  panel.title = tr("The error is what the dropped eigenvalues hold");
  panel.x.label = tr("latent channels c");
  panel.y.label = tr("mean squared error");
  panel.y.scale = ScaleKind::log;
  std::vector<double> x, y;
  double rest = 0;
  for (const double value : codec_.eigenvalues) rest += value / static_cast<double>(N);
  double least = 1e300;
  for (std::size_t c = 0; c <= 64; ++c) {
    x.push_back(static_cast<double>(c));
    y.push_back(std::max(rest, 1e-9));
    least = std::min(least, y.back());
    rest -= codec_.eigenvalues[c] / static_cast<double>(N);
  }
  panel.x.range = Range{0, 65};
  panel.y.range = Range{0.6 * least, 1.6 * y.front()};
  panel.legend = true;
  auto curve = curveOf("discarded", x, y, Paint::of(Role::estimate), tr("sum of dropped eigenvalues / 192"));
  curve->directLabel = false;
  curve->xName = tr("c"), curve->yName = tr("error");
  panel.marks.push_back(std::move(curve));
  std::vector<float> published;
  auto words = std::make_shared<TextMark>("published");
  for (const int c : {4, 8, 16}) {
    const double at = y[static_cast<std::size_t>(c)];
    published.insert(published.end(), {static_cast<float>(c), static_cast<float>(at)});
    words->words.push_back({c + 1.2, at * 1.12, fmt::format("{}", c), Paint::of(Role::muted), HAlign::left, VAlign::baseline, 7.5f});
  }
  auto points = std::make_shared<PointsMark>("sd-channels");
  points->xy = Tensor::from(Shape{3, 2}, published);
  points->radius = 2.2f;
  points->paint = Paint::of(Role::muted);
  points->label = tr("4, 8, 16: the channels compared in the paper");
  panel.marks.push_back(std::move(points));
  panel.marks.push_back(std::move(words));
  auto measured = std::make_shared<PointsMark>("measured");
  measured->xy = Tensor::from(Shape{1, 2}, {static_cast<float>(channels_), static_cast<float>(std::max(error_, 1e-9))});
  measured->shape = PointShape::ring;
  measured->radius = 3.5f;
  measured->paint = Paint::of(Role::stochastic);
  measured->label = tr("measured on the patches");
  panel.marks.push_back(std::move(measured));
  auto rule = std::make_shared<RuleMark>("channels");
  rule->at = static_cast<double>(channels_);
  rule->paint = Paint::of(Role::accent);
  panel.marks.push_back(std::move(rule));
  panel.handles.push_back({"channels", static_cast<double>(channels_), 0, Handle::Kind::verticalLine, tr("Latent channels c")});
  return panel;
}

// The first sixteen channels, each in its own deviation.
Panel LatentCodec::channelsPanel() const {
  const std::size_t shown = std::min<std::size_t>(channels_, 16), columns = shown <= 4 ? shown : shown <= 8 ? 4 : 8;
  const std::size_t rows = (shown + columns - 1) / columns;
  const auto w = static_cast<std::size_t>(width_) / S, h = static_cast<std::size_t>(height_) / S;
  const double stepX = 1.08 * static_cast<double>(w), stepY = static_cast<double>(h) + 0.22 * static_cast<double>(std::min(w, h) + 4);
  Panel panel = picturePanel("channels", static_cast<double>(columns) * stepX, static_cast<double>(rows) * stepY,
                             0.25 * static_cast<double>(h), 0.02 * static_cast<double>(w), 0);
  panel.title = shown < channels_ ? trf("The latent picture: the first {} of {} channels", shown, channels_)
                                  : trf("The latent picture: {} channels of {} × {}", channels_, w, h);
  panel.note = tr("name: share of the variance");
  double all = 0;
  for (const double value : codec_.eigenvalues) all += value;
  auto words = std::make_shared<TextMark>("names");
  for (std::size_t c = 0; c < shown; ++c) {
    std::vector<float> values;
    for (std::size_t i = 0; i < w * h; ++i) values.push_back(static_cast<float>(latents_[i * channels_ + c]));
    auto heat = std::make_shared<HeatMapMark>(fmt::format("channel-{}", c + 1));
    heat->value = Tensor::from(Shape{static_cast<std::int64_t>(h), static_cast<std::int64_t>(w)}, values);
    const double x = static_cast<double>(c % columns) * stepX, y = static_cast<double>(c / columns) * stepY;
    heat->x = {x, x + static_cast<double>(w)}, heat->y = {y, y + static_cast<double>(h)};
    heat->map = ColorMap::diverging;
    heat->range = {-2.5, 2.5};
    heat->quantity = tr("latent / its deviation");
    panel.marks.push_back(std::move(heat));
    words->words.push_back({x, y - 0.03 * static_cast<double>(h),
                            trf("{}: {} %", c + 1, percent(codec_.eigenvalues[c] / std::max(all, 1e-300))), Paint::of(Role::muted),
                            HAlign::left, VAlign::baseline, 7});
  }
  panel.marks.push_back(std::move(words));
  return panel;
}

// The patches whose sums make every patch.
Panel LatentCodec::basisPanel() const {
  const std::size_t shown = std::min<std::size_t>(channels_, 64);
  const int columns = shown <= 16 ? 4 : 8, rows = (static_cast<int>(shown) + columns - 1) / columns;
  Mosaic mosaic(rows, columns, static_cast<int>(S), 1);
  for (std::size_t c = 0; c < shown; ++c) {
    const std::vector<double> vector(codec_.vectors.begin() + static_cast<std::ptrdiff_t>(c * N),
                                     codec_.vectors.begin() + static_cast<std::ptrdiff_t>((c + 1) * N));
    double most = 1e-12;
    for (const double v : vector) most = std::max(most, std::abs(v));
    mosaic.put(static_cast<int>(c) / columns, static_cast<int>(c) % columns, vector, static_cast<int>(S), static_cast<int>(S), most);
  }
  Panel panel = picturePanel("basis", mosaic.width(), mosaic.height(), 1, 1, 1);
  panel.title = tr("What each channel adds to an 8 × 8 patch");
  panel.marks.push_back(pictureMark("patches", mosaic.pixels()));
  return panel;
}

Panel LatentCodec::overview() const { return picturesPanel(false); }

Figure LatentCodec::detail() const {
  Figure figure;
  place(figure, picturesPanel(true), 0, 0, 1, 2);
  place(figure, curvePanel(), 0, 2);
  place(figure, channelsPanel(), 1, 0, 1, 2);
  place(figure, basisPanel(), 1, 2);
  figure.rowWeights = {1.15f, 1};
  return figure;
}

void LatentCodec::addMetrics(std::vector<Metric>& metrics) const {
  double dropped = 0;
  for (std::size_t i = channels_; i < N; ++i) dropped += codec_.eigenvalues[i] / static_cast<double>(N);
  metrics.push_back({"codec.error", error_, ""});
  metrics.push_back({"codec.dropped-eigenvalues", dropped, ""});
  metrics.push_back({"codec.kept-variance", keptShare(), ""});
  metrics.push_back({"codec.psnr", 10 * std::log10(4 / std::max(pictureError_, 1e-12)), "dB"});
}

Changes LatentCodec::pointer(const PointerEvent& event, const Values&) const {
  if (event.kind != PointerEvent::Kind::drag || event.handle != "channels") return {};
  return {{"channels", std::clamp<std::int64_t>(std::llround(event.x), 1, 64)}};
}

}  // namespace orrery::generative::sd3
