// orrery sweep: every combination of some parameters' values. In the folder, per point: NNNN.svg, and NNNN.json with its recipe and metrics,
// written last, which is what says that the point is done. The table is made of those: table.csv of all points, table-I-of-N.csv of a shard.
// So shards share nothing but the folder, a sweep that was stopped goes on where it was, and the same command without --shard joins the tables.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "app/cli/commands.h"
#include "app/cli/grid.h"
#include "app/cli/interrupt.h"
#include "app/cli/output.h"
#include "app/cli/scene_figure.h"
#include "core/base/files.h"
#include "core/base/text.h"

namespace orrery::cli {

namespace {

using Json = nlohmann::ordered_json;

// A point's numbers, and why there are none.
struct Row {
  Json metrics = Json::object();
  std::int64_t frame = 0;
  std::string figure, error;
};

std::string dump(const auto& json, int indent = -1) { return json.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace); }

// Shortest text that reads back as the same number; JSON has no words for infinities, tables have.
std::string numberText(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return fmt::format("{}", value);
}

// RFC 4180: fields with commas, quotes or line ends are quoted.
std::string csvLine(const std::vector<std::string>& fields) {
  std::string line;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) line += ',';
    if (fields[i].find_first_of(",\"\r\n") == std::string::npos) {
      line += fields[i];
      continue;
    }
    line += '"';
    for (const char letter : fields[i]) line.append(letter == '"' ? 2 : 1, letter);
    line += '"';
  }
  line += '\n';
  return line;
}

class Sweep {
 public:
  Sweep(const Scene& scene, const SweepOptions& options, Grid grid, Shard shard, Look look)
      : scene_(scene), options_(options), grid_(std::move(grid)), shard_(shard), look_(std::move(look)), folder_(options.output) {
    for (std::int64_t point = 0; point < grid_.points(); ++point) {
      if (shard_.has(point)) points_.push_back(point);
    }
  }

  Expected<void> run() {
    std::error_code failed;
    std::filesystem::create_directories(folder_, failed);
    if (failed) return makeError(ErrorCode::io, trf("cannot make the folder '{}': {}", options_.output, failed.message()));
    if (auto writable = checkWritable(tablePath()); !writable) return writable;
    const Interrupt interrupt;
    auto opened = openScene(scene_, options_.scene.device);
    if (!opened) return opened.error();
    auto& session = **opened;
    describe(session);
    std::optional<ProgressLine> line(std::in_place);
    std::atomic<bool> done = false;
    // Passes Ctrl+C on to the computation it interrupts.
    std::thread watch([&] {
      while (!done) {
        if (Interrupt::asked()) session.cancel();
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      }
    });
    Expected<void> result;
    for (std::size_t i = 0; i < points_.size() && result && !Interrupt::asked(); ++i) {
      line->show(trf("Sweep, point {} of {}", i + 1, points_.size()), static_cast<double>(i) / static_cast<double>(points_.size()));
      result = compute(session, points_[i]);
    }
    done = true;
    watch.join();
    line.reset();
    for (const auto& remark : session.notes()) note(remark);
    if (!result) return result;
    if (!rows_.empty()) {
      if (auto written = writeFileAtomically(tablePath(), table()); !written) return written;
    }
    if (Interrupt::asked()) {
      return makeError(ErrorCode::cancelled, trf("stopped: {} of {} points are done; the same command goes on from there", rows_.size(), points_.size()));
    }
    return {};
  }

  int report() const {
    for (const auto& [point, row] : rows_) {
      if (!row.error.empty()) note(trf("point {}: {}", point, row.error));
    }
    const auto failed = std::count_if(rows_.begin(), rows_.end(), [](const auto& one) { return !one.second.error.empty(); });
    const int printed = options_.json ? printJson({{"path", tablePath()},
                                                   {"lab", scene_.lab->id},
                                                   {"points", points_.size()},
                                                   {"computed", computed_},
                                                   {"skipped", static_cast<std::int64_t>(points_.size()) - computed_},
                                                   {"failed", failed}})
                                      : print(tablePath() + "\n");
    return printed != 0 ? printed : failed > 0 ? 1 : 0;
  }

 private:
  std::string nameOf(std::int64_t point) const {
    const auto digits = std::max<std::size_t>(4, std::to_string(grid_.points() - 1).size());
    return fmt::format("{:0{}}", point, digits);
  }
  std::string pathOf(const std::string& name) const { return (std::filesystem::path(folder_) / name).string(); }
  std::string tablePath() const {
    return pathOf(shard_.of == 1 ? std::string("table.csv") : fmt::format("table-{}-of-{}.csv", shard_.index, shard_.of));
  }

  // What every point depends on: the scene without the grid's values, the content of its files, and how its figure looks.
  void describe(const Session& session) {
    auto recipe = session.toJson();
    for (const char* key : {"frame", "speed", "loop"}) recipe.erase(key);
    identity_ = Json{{"recipe", recipe}, {"format", options_.format}, {"size", look_.sizeText}, {"scale", look_.scale}, {"theme", look_.theme}, {"panel", look_.panel}};
    identity_["frame"] = scene_.frame ? Json(*scene_.frame) : Json("end");
    auto values = session.values();
    for (const auto& axis : grid_.axes()) values.erase(axis.parameter);
    for (const auto& [id, value] : values) addFile(identity_, value);
  }

  Json identityOf(std::int64_t point) {
    auto identity = identity_;
    for (const auto& [id, value] : grid_.at(point)) {
      identity["recipe"]["parameters"][id] = toJson(value);
      addFile(identity, value);
    }
    return identity;
  }

  void addFile(Json& identity, const Value& value) {
    const auto* asset = std::get_if<Asset>(&value);
    if (!asset || asset->path.empty()) return;
    auto& sum = sums_[asset->path];
    if (sum.empty()) {
      const auto found = sha256OfFile(asset->path);
      sum = found ? *found : "none";
    }
    identity["files"][asset->path] = sum;
  }

  // The point as it was done before, with the same values; a point that failed is tried again.
  std::optional<Row> earlier(std::int64_t point, const Json& identity) const {
    const auto text = readWholeFile(pathOf(nameOf(point) + ".json"), std::uint64_t{64} << 20);
    if (!text) return std::nullopt;
    const auto json = Json::parse(*text, nullptr, false);
    if (!json.is_object() || json.value("of", Json()) != identity) return std::nullopt;
    Row row;
    if (!json.contains("metrics") || !json["metrics"].is_object() || !json.contains("figure") || !json["figure"].is_string()) return std::nullopt;
    row.metrics = json["metrics"];
    row.figure = json["figure"].get<std::string>();
    row.frame = json.contains("frame") && json["frame"].is_number_integer() ? json["frame"].get<std::int64_t>() : 0;
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(pathOf(row.figure), ignored)) return std::nullopt;
    return row;
  }

  Expected<void> compute(Session& session, std::int64_t point) {
    const auto about = identityOf(point);
    if (!options_.again) {
      if (auto found = earlier(point, about)) {
        rows_.emplace(point, *std::move(found));
        return {};
      }
    }
    if (auto set = session.set(grid_.at(point)); !set) return set;
    session.seek(scene_.frame.value_or(std::int64_t{1} << 60));
    const auto reached = session.wait();
    if (Interrupt::asked()) return {};
    Row row;
    const auto picture = session.picture();
    if (!reached) {
      row.error = reached.error().message;
    } else if (scene_.frame && *scene_.frame > picture->frame) {
      row.error = trf("--frame {} is outside 0 to {}", *scene_.frame, picture->frame);
    } else {
      row.frame = picture->frame;
      row.figure = nameOf(point) + "." + options_.format;
      for (const auto& metric : picture->metrics) row.metrics[metric.name] = numberText(metric.value);
      // A figure that cannot be written ends the sweep: the next one could not be either.
      const auto written = writeFigureOf(session, *picture, look_, renderer_, pathOf(row.figure));
      if (!written) return written.error();
      const Json record{{"of", about}, {"figure", row.figure}, {"frame", row.frame}, {"metrics", row.metrics}};
      if (auto kept = writeFileAtomically(pathOf(nameOf(point) + ".json"), dump(record, 2) + "\n"); !kept) return kept;
    }
    ++computed_;
    rows_.emplace(point, std::move(row));
    return {};
  }

  std::string table() const {
    // Metrics in the order in which they first appear; not every point has every one.
    std::vector<std::string> metrics;
    for (const auto& [point, row] : rows_) {
      for (const auto& [name, value] : row.metrics.items()) {
        if (std::find(metrics.begin(), metrics.end(), name) == metrics.end()) metrics.push_back(name);
      }
    }
    std::vector<std::string> head{"point"};
    for (const auto& axis : grid_.axes()) head.push_back(axis.parameter);
    for (const char* name : {"frame", "figure", "error"}) head.emplace_back(name);
    head.insert(head.end(), metrics.begin(), metrics.end());
    std::string text = csvLine(head);
    for (const auto& [point, row] : rows_) {
      std::vector<std::string> cells{std::to_string(point)};
      for (const auto& [id, value] : grid_.at(point)) cells.push_back(toText(value));
      cells.push_back(row.figure.empty() ? std::string() : std::to_string(row.frame));
      cells.push_back(row.figure);
      cells.push_back(row.error);
      for (const auto& name : metrics) {
        const auto metric = row.metrics.find(name);
        cells.push_back(metric != row.metrics.end() && metric->is_string() ? metric->get<std::string>() : std::string());
      }
      text += csvLine(cells);
    }
    return text;
  }

  const Scene& scene_;
  const SweepOptions& options_;
  Grid grid_;
  Shard shard_;
  Look look_;
  std::string folder_;
  std::vector<std::int64_t> points_;
  std::map<std::int64_t, Row> rows_;
  std::int64_t computed_ = 0;
  Json identity_;
  std::map<std::string, std::string> sums_;  // SHA-256 of the files met so far
  std::unique_ptr<render::Renderer> renderer_;
};

}  // namespace

int sweep(const SweepOptions& options) {
  const auto scene = readScene(options.scene);
  if (!scene) return fail(scene.error());
  auto grid = Grid::read(*scene->lab, options.grids);
  if (!grid) return fail(grid.error());
  for (const auto& axis : grid->axes()) {
    for (const auto& [id, value] : scene->changes) {
      if (id == axis.parameter) return usage(trf("'{}' is given by --set and by --grid", id));
    }
  }
  Shard shard;
  if (!options.shard.empty()) {
    const auto read = readShard(options.shard);
    if (!read) return fail(read.error());
    shard = *read;
  }
  const auto look = readLook(options.look, *scene);
  if (!look) return fail(look.error());
  std::error_code ignored;
  if (std::filesystem::exists(options.output, ignored) && !std::filesystem::is_directory(options.output, ignored)) {
    return fail(makeError(ErrorCode::io, trf("cannot write to '{}': it is not a folder", options.output)));
  }
  const auto application = applicationFor(options.format);
  Sweep work(*scene, options, *std::move(grid), shard, *look);
  if (auto done = work.run(); !done) return fail(done.error());
  return work.report();
}

}  // namespace orrery::cli
