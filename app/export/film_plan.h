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

// How a number goes from one value to another while the share u of the film passes from 0 to 1.
enum class Pace {
  linear,  // a + (b - a) u
  ease,    // linear in 3u^2 - 2u^3: starts and ends at rest
  log,     // a (b / a)^u: equal factors in equal times; both above 0
};

struct Animation {
  std::string parameter;
  double from = 0, to = 1;
  Pace pace = Pace::linear;
};

// "id=FROM:TO[:linear|ease|log]" for this lab; both ends inside the parameter's domain. Without a pace: as its slider moves.
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
