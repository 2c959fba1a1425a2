#include "app/export/film_plan.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/base/text.h"
#include "core/session/nearest.h"

namespace orrery::exporting {

namespace {

// How soon a computation under way hears that the film was cancelled.
constexpr auto cancelInterval = std::chrono::milliseconds(50);
// A GIF above this is worth a word before it is made.
constexpr std::uint64_t largeGif = 25u << 20;

Error usageError(std::string message) { return makeError(ErrorCode::usage, std::move(message)); }

constexpr std::pair<std::string_view, Pace> paces[] = {{"linear", Pace::linear}, {"ease", Pace::ease}, {"log", Pace::log}};

std::optional<double> numberOf(const Value& value) {
  if (const auto* real = std::get_if<double>(&value)) return *real;
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return static_cast<double>(*whole);
  return std::nullopt;
}

bool slidesByFactors(const Domain& domain) {
  const auto* whole = std::get_if<Integer>(&domain);
  return std::holds_alternative<LogReal>(domain) || (whole && whole->logarithmic);
}

// Passes a cancellation on to the computation it interrupts.
class CancelWatch {
 public:
  CancelWatch(Session& session, const FilmMonitor& monitor) : thread_([this, &session, &monitor] {
      while (!done_) {
        if (monitor.cancelled()) session.cancel();
        std::this_thread::sleep_for(cancelInterval);
      }
    }) {}
  ~CancelWatch() {
    done_ = true;
    thread_.join();
  }
  CancelWatch(const CancelWatch&) = delete;
  CancelWatch& operator=(const CancelWatch&) = delete;

 private:
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

// The plan at work: brings the session to frame n of the film.
class Player {
 public:
  Player(Session& session, const FilmPlan& plan) : session_(session), plan_(plan) {}

  // Must come first: the values and the place of the first frame.
  Expected<void> begin() {
    if (!plan_.recorded.empty()) {
      frames_ = static_cast<std::int64_t>(plan_.recorded.size());
      if (auto posted = post(0); !posted) return posted;
      return session_.wait();
    }
    if (auto set = session_.set(changesAt(0), Edit::drag); !set) return set;
    session_.seek(plan_.frame.value_or(0));
    if (auto done = session_.wait(); !done) return done;
    const auto picture = session_.picture();
    timeline_ = plan_.frame ? 0 : std::max<std::int64_t>(picture->frames, 0);
    if (plan_.animations.empty() && timeline_ < 2) {
      return usageError(trf("the lab '{}' does not run in time with these values; let a parameter move with --animate id=FROM:TO", session_.lab().id));
    }
    double seconds = plan_.seconds;
    if (!(seconds > 0)) seconds = timeline_ > 1 ? static_cast<double>(timeline_) / (picture->framesPerSecond * session_.speed()) : defaultSeconds;
    const double count = std::max(1.0, std::round(seconds * plan_.framesPerSecond));
    if (!(count <= static_cast<double>(longestFilm))) {
      return usageError(trf("a film of {} s at {} frames per second is longer than {} frames; give fewer seconds", seconds, plan_.framesPerSecond, longestFilm));
    }
    frames_ = static_cast<std::int64_t>(count);
    return {};
  }

  std::int64_t frames() const { return frames_; }

  // Asks for frame n; the session works on it until wait().
  Expected<void> post(std::int64_t number) {
    if (!plan_.recorded.empty()) {
      const auto& shot = plan_.recorded[static_cast<std::size_t>(number)];
      if (auto set = session_.set(shot.changes, Edit::drag); !set) return set;
      if (!shot.changes.empty() || number == 0 || shot.frame != plan_.recorded[static_cast<std::size_t>(number - 1)].frame) session_.seek(shot.frame);
      return {};
    }
    if (!plan_.animations.empty()) {
      if (auto set = session_.set(changesAt(number), Edit::drag); !set) return set;
      if (plan_.frame) {
        session_.seek(*plan_.frame);
        return {};
      }
      // How long the timeline is may depend on the values.
      if (timeline_ > 1) {
        if (auto done = session_.wait(); !done) return done;
        timeline_ = std::max<std::int64_t>(session_.picture()->frames, 2);
      }
    }
    const auto target = frameAt(number);
    if (timeline_ > 1 && target != session_.picture()->frame) session_.seek(target);
    return {};
  }

 private:
  double shareOf(std::int64_t number) const { return frames_ > 1 ? static_cast<double>(number) / static_cast<double>(frames_ - 1) : 0; }

  std::int64_t frameAt(std::int64_t number) const {
    // One frame of film is the end, where a run has its result.
    const double share = frames_ > 1 ? shareOf(number) : 1;
    return std::llround(share * static_cast<double>(std::max<std::int64_t>(timeline_ - 1, 0)));
  }

  Changes changesAt(std::int64_t number) const {
    Changes changes;
    for (const auto& animation : plan_.animations) {
      if (const auto* parameter = session_.lab().find(animation.parameter)) changes.emplace_back(parameter->id, valueAt(*parameter, animation, shareOf(number)));
    }
    return changes;
  }

  Session& session_;
  const FilmPlan& plan_;
  std::int64_t frames_ = 1, timeline_ = 0;
};

// Draws pictures on the device they were made on; the same picture only once.
class Draw {
 public:
  Expected<render::Pixels> operator()(const Picture& picture, const FilmPlan& plan, int width, int height) {
    if (picture.serial == serial_ && pixels_.width == width) return pixels_;
    try {
      if (!renderer_ || device_ != picture.device) {
        renderer_.reset();
        device_ = picture.device;
        renderer_ = std::make_unique<render::Renderer>(device_);
      }
      // The last column or row of an odd size belongs to the figure as well.
      const Vec2 size{static_cast<float>(width) / plan.pixelsPerLogical, static_cast<float>(height) / plan.pixelsPerLogical};
      pixels_ = renderer_->draw(layOut(picture.figure, size, Fonts::shared(), plan.layout).list, plan.pixelsPerLogical);
      serial_ = picture.serial;
      return pixels_;
    } catch (const std::exception& failed) {
      return makeError(ErrorCode::gpu, trf("the picture could not be drawn: {}", std::string(failed.what())));
    }
  }

 private:
  std::shared_ptr<gpu::Device> device_;
  std::unique_ptr<render::Renderer> renderer_;
  render::Pixels pixels_;
  std::uint64_t serial_ = 0;
};

Error cancelledFilm() { return makeError(ErrorCode::cancelled, tr("Cancelled: nothing was written")); }

}  // namespace

Expected<Animation> readAnimation(const LabEntry& lab, std::string_view text) {
  const auto equals = text.find('=');
  const auto bad = [&] {
    return usageError(trf("--animate needs id=FROM:TO, or more values id=A:B@30%:C, and for a number a pace :linear, :ease or :log, found '{}'",
                          std::string(text)));
  };
  if (equals == std::string_view::npos || equals == 0) return bad();
  std::vector<std::string_view> parts;
  for (auto rest = text.substr(equals + 1);;) {
    const auto colon = rest.find(':');
    parts.push_back(rest.substr(0, colon));
    if (colon == std::string_view::npos) break;
    rest.remove_prefix(colon + 1);
  }
  Animation animation;
  animation.parameter = text.substr(0, equals);
  const auto* parameter = lab.find(animation.parameter);
  if (!parameter) {
    std::vector<std::string> ids;
    for (const auto& one : lab.parameters) ids.push_back(one.id);
    const auto close = nearest(animation.parameter, ids);
    return usageError(trf("the lab '{}' has no parameter '{}'; it has {}", lab.id, animation.parameter, joined(close.empty() ? ids : close)));
  }
  // The pace, for a number: the last part when it names one.
  const bool number = numberOf(parameter->initial).has_value();
  const auto* pace = std::find_if(std::begin(paces), std::end(paces), [&](const auto& one) { return one.first == parts.back(); });
  const bool paced = number && pace != std::end(paces);
  if (paced) parts.pop_back();
  if (parts.size() < 2) return bad();
  if (number && !paced && parts.size() > 2 && !parts.back().empty() && std::isalpha(static_cast<unsigned char>(parts.back().front())) != 0) {
    return usageError(trf("--animate {}: '{}' is no pace; there are linear, ease and log", animation.parameter, std::string(parts.back())));
  }

  for (std::size_t i = 0; i < parts.size(); ++i) {
    std::string_view part = parts[i];
    KeyFrame key;
    key.at = static_cast<double>(i) / static_cast<double>(parts.size() - 1);
    if (const auto mark = part.rfind('@'); mark != std::string_view::npos && part.ends_with('%')) {
      const auto share = part.substr(mark + 1, part.size() - mark - 2);
      const auto [end, fault] = std::from_chars(share.data(), share.data() + share.size(), key.at);
      if (fault != std::errc() || end != share.data() + share.size()) return bad();
      key.at /= 100;
      part = part.substr(0, mark);
    }
    if (part.empty()) return bad();
    auto value = parseValue(*parameter, part);
    if (!value) return value.error();
    key.value = *std::move(value);
    animation.keys.push_back(std::move(key));
  }
  const auto falls = std::adjacent_find(animation.keys.begin(), animation.keys.end(), [](const auto& a, const auto& b) { return !(a.at < b.at); });
  if (falls != animation.keys.end() || !(animation.keys.front().at >= 0) || !(animation.keys.back().at <= 1)) {
    return usageError(trf("--animate {}: the shares of the film must rise and lie between 0% and 100%, found '{}'", animation.parameter, std::string(text)));
  }
  const bool positive = number && std::all_of(animation.keys.begin(), animation.keys.end(), [](const KeyFrame& key) { return *numberOf(key.value) > 0; });
  animation.pace = paced ? pace->second : slidesByFactors(parameter->domain) && positive ? Pace::log : Pace::linear;
  if (animation.pace == Pace::log && !positive) {
    return usageError(trf("--animate {}: log goes between numbers above 0, found '{}'", animation.parameter, std::string(text)));
  }
  return animation;
}

std::string toText(const Animation& animation) {
  std::string text = animation.parameter + "=";
  const std::size_t last = animation.keys.size() - 1;
  for (std::size_t i = 0; i <= last; ++i) {
    const KeyFrame& key = animation.keys[i];
    text += (i > 0 ? ":" : "") + toText(key.value);
    if (std::abs(key.at - static_cast<double>(i) / static_cast<double>(last)) > 1e-9) text += fmt::format("@{}%", 100 * key.at);
  }
  if (!numberOf(animation.keys.front().value)) return text;
  const auto* pace = std::find_if(std::begin(paces), std::end(paces), [&](const auto& one) { return one.second == animation.pace; });
  return text + ":" + std::string(pace->first);
}

Value valueAt(const Parameter& parameter, const Animation& animation, double share) {
  const auto after = std::find_if(animation.keys.begin(), animation.keys.end(), [&](const KeyFrame& key) { return share < key.at; });
  if (after == animation.keys.end()) return animation.keys.back().value;
  if (after == animation.keys.begin()) return after->value;
  const KeyFrame &a = *std::prev(after), &b = *after;
  const auto from = numberOf(a.value), to = numberOf(b.value);
  const double u = (share - a.at) / (b.at - a.at);
  if (!from || !to || u <= 0) return a.value;
  const double way = animation.pace == Pace::ease ? u * u * (3 - 2 * u) : u;
  double value = animation.pace == Pace::log ? *from * std::pow(*to / *from, way) : *from + (*to - *from) * way;
  value = std::clamp(value, std::min(*from, *to), std::max(*from, *to));  // rounding must not leave the two
  if (std::holds_alternative<Integer>(parameter.domain) || std::holds_alternative<Seed>(parameter.domain)) return static_cast<std::int64_t>(std::llround(value));
  return value;
}

Expected<FilmWritten> makeFilm(Session& session, const FilmPlan& plan, const std::string& path, const FilmMonitor& monitor) {
  FilmOptions options;
  options.width = static_cast<int>(std::lround(plan.size.x * plan.pixelsPerLogical));
  options.height = static_cast<int>(std::lround(plan.size.y * plan.pixelsPerLogical));
  options.framesPerSecond = plan.framesPerSecond;
  if (auto good = FilmWriter::check(path, options); !good) return good.error();

  const CancelWatch watch(session, monitor);
  Player player(session, plan);
  if (auto begun = player.begin(); !begun) return monitor.cancelled() ? cancelledFilm() : begun.error();
  auto recipe = session.toJson();
  if (!plan.recipeExtra.empty()) recipe.update(nlohmann::json::parse(plan.recipeExtra));
  options.recipe = recipe.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  options.title = tr(session.lab().title);
  auto writer = FilmWriter::open(path, options);
  if (!writer) return writer.error();

  const auto frames = player.frames();
  Draw draw;
  bool estimated = false;
  for (std::int64_t number = 0; number < frames; ++number) {
    if (monitor.cancelled()) return cancelledFilm();
    monitor.progress(trf("Film, frame {} of {}", number + 1, frames), static_cast<double>(number) / static_cast<double>(frames));
    const auto picture = session.picture();
    // The next picture is computed while this one is drawn, and the one before is being encoded.
    if (number + 1 < frames) {
      if (auto posted = player.post(number + 1); !posted) return monitor.cancelled() ? cancelledFilm() : posted.error();
    }
    auto pixels = draw(*picture, plan, (*writer)->width(), (*writer)->height());
    if (!pixels) return pixels.error();
    if (auto added = (*writer)->add(*std::move(pixels)); !added) return added.error();
    if (auto computed = session.wait(); !computed) {
      if (monitor.cancelled()) return cancelledFilm();
      const auto& cause = computed.error();
      return makeError(cause.code, trf("frame {} of the film: {}", number + 2, cause.message), cause.id);
    }
    if (const auto bytes = (*writer)->estimate(frames); bytes && !estimated) {
      estimated = true;
      const auto megabytes = fmt::format("{:.1f}", static_cast<double>(*bytes) / 1e6);
      monitor.note(*bytes > largeGif ? trf("by its first frames the GIF will have about {} MB; a smaller size, fewer frames or .mp4 make it smaller", megabytes)
                                     : trf("by its first frames the GIF will have about {} MB", megabytes));
    }
  }
  monitor.progress(tr("Writing the film"), 1);
  return (*writer)->finish([&](double share) {
    monitor.progress(tr("Writing the film"), share);
    return !monitor.cancelled();
  });
}

}  // namespace orrery::exporting
