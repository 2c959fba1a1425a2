#pragma once
// What a film shows: for each of its frames the values that change and where the timeline stands. Planned from animated parameters and the
// lab's own time, or recorded while a person plays; either way it is played again on a session of its own, frame by frame, as fast as it
// goes and bit for bit the same.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/export/film.h"
#include "core/figure/figure.h"
#include "core/session/session.h"

namespace orrery::exporting {

// How a number goes from one value to the next while the share u of the time between them passes from 0 to 1.
enum class Pace {
  linear,  // a + (b - a) u
  ease,    // linear in 3u^2 - 2u^3: starts and ends at rest
  log,     // a (b / a)^u: equal factors in equal times; both above 0
};

// A value and the share of the film at which it is reached.
struct KeyFrame {
  double at = 0;
  Value value;
};

// Key frames of one parameter, in rising order. Numbers go from one to the next; anything else stays until the next comes. Before the first
// and after the last nothing moves.
struct Animation {
  std::string parameter;
  std::vector<KeyFrame> keys;
  Pace pace = Pace::linear;
};

// "id=FROM:TO" or more values, "id=A:B:C", evenly in time or each with its share of the film, "id=A:B@30%:C"; for a number with a pace at
// the end, ":linear", ":ease" or ":log", by default as its slider moves. Every value inside the parameter's domain.
Expected<Animation> readAnimation(const LabEntry& lab, std::string_view text);
std::string toText(const Animation& animation);  // readAnimation() reads it back
// Whole numbers for parameters that count.
Value valueAt(const Parameter& parameter, const Animation& animation, double share);

struct Shot {
  Changes changes;
  std::int64_t frame = 0;
};

struct FilmPlan {
  std::vector<Animation> animations;
  std::optional<std::int64_t> frame;       // the timeline stays here (beyond the end: at the end) instead of playing
  double seconds = 0;                      // 0 = the timeline at the session's speed, or defaultSeconds
  std::vector<Shot> recorded;              // instead of all of the above
  double framesPerSecond = 30;
  Vec2 size{1280, 720};                    // logical px
  float pixelsPerLogical = 1;
  LayoutOptions layout;
  std::string recipeExtra;                 // a JSON object: further keys of the recipe
};

constexpr double defaultSeconds = 5;
constexpr std::int64_t endOfTime = std::int64_t{1} << 60;  // a frame beyond every timeline's end

struct FilmMonitor {
  std::function<bool()> cancelled = [] { return false; };
  std::function<void(const std::string& what, double share)> progress = [](const std::string&, double) {};
  std::function<void(const std::string& remark)> note = [](const std::string&) {};
};

// Plays the plan on this session, which is nobody else's meanwhile, and writes the film. Blocks; the observer of the session stays the caller's.
Expected<FilmWritten> makeFilm(Session& session, const FilmPlan& plan, const std::string& path, const FilmMonitor& monitor);

}  // namespace orrery::exporting
