// orrery film: a lab in time as a film.

#include <cmath>
#include <nlohmann/json.hpp>

#include "app/cli/commands.h"
#include "app/cli/interrupt.h"
#include "app/cli/output.h"
#include "app/cli/picture_size.h"
#include "app/export/film_plan.h"
#include "core/base/text.h"

namespace orrery::cli {

namespace {

// What the recipe of a film says about how it was made; --options are stronger.
struct FilmRecipe {
  std::vector<std::string> animations;
  bool still = false;
  std::optional<std::int64_t> frame;
  std::string seconds, rate, size, theme;
  double scale = 1;
};

FilmRecipe recipeOf(const Scene& scene) {
  FilmRecipe found;
  if (!scene.recipe) return found;
  const auto text = [&](const nlohmann::json& in, const char* key) {
    const auto value = in.find(key);
    return value != in.end() && value->is_string() ? value->get<std::string>() : std::string();
  };
  if (const auto figure = scene.recipe->find("figure"); figure != scene.recipe->end() && figure->is_object()) {
    found.size = text(*figure, "size");
    found.theme = text(*figure, "theme");
  }
  const auto film = scene.recipe->find("film");
  if (film == scene.recipe->end() || !film->is_object()) return found;
  found.seconds = text(*film, "seconds");
  found.rate = text(*film, "fps");
  if (const auto scale = film->find("scale"); scale != film->end() && scale->is_number()) found.scale = scale->get<double>();
  const auto still = film->find("still");
  found.still = still != film->end() && still->is_boolean() && still->get<bool>();
  if (const auto frame = film->find("frame"); frame != film->end() && frame->is_number_integer()) found.frame = frame->get<std::int64_t>();
  if (const auto list = film->find("animate"); list != film->end() && list->is_array()) {
    for (const auto& one : *list) {
      if (one.is_string()) found.animations.push_back(one.get<std::string>());
    }
  }
  return found;
}

std::string firstOf(const std::string& a, const std::string& b, const std::string& c = {}) { return !a.empty() ? a : !b.empty() ? b : c; }

Expected<double> numberIn(const char* option, const std::string& text, double low, double high) {
  const auto number = parseNumber(text);
  if (!number) return makeError(ErrorCode::usage, trf("{}: {}", option, number.error().message));
  if (!(*number >= low && *number <= high)) return makeError(ErrorCode::usage, trf("{} {} is outside {} to {}", option, text, low, high));
  return *number;
}

}  // namespace

int film(const FilmOptions& options) {
  // Refuse everything that can be refused before the device is opened.
  const auto format = exporting::filmFormatOf(options.output);
  if (!format) return fail(format.error());
  const bool gif = *format == exporting::FilmFormat::gif;
  const auto scene = readScene(options.scene);
  if (!scene) return fail(scene.error());
  const auto recipe = recipeOf(*scene);

  exporting::FilmPlan plan;
  const auto sizeText = firstOf(options.size, recipe.size, "1280x720");
  const auto size = readSize(sizeText);
  if (!size) return fail(size.error());
  plan.size = *size;
  const double scale = options.scale != 0 ? options.scale : recipe.scale;
  if (!(scale >= 0.25 && scale <= 8)) return usage(trf("--scale {} is outside {} to {}", scale, 0.25, 8));
  plan.pixelsPerLogical = static_cast<float>(scale);
  const auto theme = firstOf(options.theme, recipe.theme, "light");
  if (theme != "light" && theme != "dark") return usage(trf("--theme must be light or dark, found '{}'", theme));
  plan.layout.theme = theme == "dark" ? ThemeKind::dark : ThemeKind::light;
  const auto rateText = firstOf(options.rate, recipe.rate, gif ? "25" : "30");
  const auto rate = numberIn("--fps", rateText, exporting::slowestFilm, gif ? exporting::fastestGif : exporting::fastestFilm);
  // A film's own rate may be too fast for the GIF that is made of it.
  if (!rate && !(gif && options.rate.empty())) return fail(rate.error());
  plan.framesPerSecond = rate ? *rate : exporting::fastestGif;
  const auto secondsText = firstOf(options.seconds, recipe.seconds);
  if (!secondsText.empty()) {
    const auto seconds = numberIn("--seconds", secondsText, 0, 1e6);
    if (!seconds) return fail(seconds.error());
    if (std::round(*seconds * plan.framesPerSecond) < 1) return usage(trf("--seconds {}: at {} frames per second this is not one frame", secondsText, plan.framesPerSecond));
    if (*seconds * plan.framesPerSecond > static_cast<double>(exporting::longestFilm)) {
      return usage(trf("--seconds {}: at {} frames per second this is more than {} frames", secondsText, plan.framesPerSecond, exporting::longestFilm));
    }
    plan.seconds = *seconds;
  }
  const auto& animations = options.animations.empty() ? recipe.animations : options.animations;
  for (const auto& text : animations) {
    auto animation = exporting::readAnimation(*scene->lab, text);
    if (!animation) return fail(animation.error());
    for (const auto& earlier : plan.animations) {
      if (earlier.parameter == animation->parameter) return usage(trf("--animate {} is given twice", animation->parameter));
    }
    plan.animations.push_back(*std::move(animation));
  }
  const bool still = options.still || (!options.scene.frame && recipe.still);
  const auto frame = options.scene.frame ? options.scene.frame : recipe.frame;
  if (plan.animations.empty() && (options.still || options.scene.frame)) return usage(tr("--still and --frame need a parameter that moves: give --animate id=FROM:TO"));
  if (still) plan.frame = exporting::endOfTime;
  else if (frame) plan.frame = *frame;
  exporting::FilmOptions early;
  early.width = static_cast<int>(std::lround(plan.size.x * plan.pixelsPerLogical));
  early.height = static_cast<int>(std::lround(plan.size.y * plan.pixelsPerLogical));
  early.framesPerSecond = plan.framesPerSecond;
  if (auto good = exporting::FilmWriter::check(options.output, early); !good) return fail(good.error());
  if (auto writable = checkWritable(options.output); !writable) return fail(writable.error());

  nlohmann::json about{{"figure", {{"size", sizeText}, {"theme", theme}}}, {"film", {{"fps", rateText}, {"scale", scale}}}};
  auto& filmed = about["film"];
  if (!secondsText.empty()) filmed["seconds"] = secondsText;
  if (still) filmed["still"] = true;
  else if (frame) filmed["frame"] = *frame;
  for (const auto& animation : plan.animations) filmed["animate"].push_back(exporting::toText(animation));
  plan.recipeExtra = about.dump();

  const Interrupt interrupt;
  auto session = openScene(*scene, options.scene.device);
  if (!session) return fail(session.error());
  std::optional<ProgressLine> line(std::in_place);
  exporting::FilmMonitor monitor;
  monitor.cancelled = Interrupt::asked;
  monitor.progress = [&](const std::string& what, double share) { line->show(what, share); };
  monitor.note = [](const std::string& remark) { note(remark); };
  const auto written = exporting::makeFilm(**session, plan, options.output, monitor);
  line.reset();
  if (!written) return fail(written.error());
  for (const auto& remark : (*session)->notes()) note(remark);
  for (const auto& remark : written->notes) note(remark);
  if (!options.json) return print(written->path + "\n");
  return printJson({{"path", written->path},
                    {"lab", scene->lab->id},
                    {"frames", written->frames},
                    {"fps", written->framesPerSecond},
                    {"seconds", static_cast<double>(written->frames) / written->framesPerSecond},
                    {"width", written->width},
                    {"height", written->height},
                    {"bytes", written->bytes},
                    {"encoder", written->encoder},
                    {"notes", written->notes}});
}

}  // namespace orrery::cli
