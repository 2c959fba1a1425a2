#pragma once
// The commands. Each prints its result and returns the exit code.

#include <optional>
#include <string>
#include <vector>

#include "app/cli/scene.h"
#include "core/figure/figure.h"

namespace orrery::cli {

int listLabs(bool json);
int showLab(const std::string& lab, bool json);
int showDevices(bool json);

struct LookOptions {
  std::string size;   // "WxH"; empty = the recipe's, else 1280x720
  std::string theme;  // "light", "dark"; empty = the recipe's, else light
  double scale = 1;   // PNG pixels per pixel of --size
  std::string panel;  // only this one
  bool letters = false, transparent = false, outlines = false;
};

struct RenderOptions {
  SceneOptions scene;
  LookOptions look;
  std::vector<std::string> outputs;  // one figure, each format asked for
  bool json = false;
};
int render(const RenderOptions& options);

struct DataOptions {
  SceneOptions scene;
  std::vector<std::string> outputs;  // files of the numbers, or one folder for a data set
  bool json = false;
};
int data(const DataOptions& options);

struct FilmOptions {
  SceneOptions scene;
  std::vector<std::string> animations;  // "id=FROM:TO[:linear|ease|log]"
  bool still = false;                   // the timeline stays at its end
  std::string seconds, rate, size, theme;  // as typed; empty = the recipe's, else the usual
  double scale = 0;                        // film pixels per px of size; 0 = the recipe's, else 1
  std::string output;
  bool json = false;
};
int film(const FilmOptions& options);

struct SweepOptions {
  SceneOptions scene;
  std::vector<std::string> grids;  // "id=a,b,c"
  std::string shard;               // "i/n", i from 1; empty = all points
  std::string format = "svg";
  LookOptions look;
  bool again = false;              // also the points that are there
  std::string output;
  bool json = false;
};
int sweep(const SweepOptions& options);

struct MapOptions {
  std::string truth, detections;
  std::string protocol = "coco";
  std::vector<double> thresholds;
  bool lenient = false, json = false;
};
int map(const MapOptions& options);

int inspect(const std::string& path, bool lenient, bool json);

struct CheckOptions {
  gpu::DeviceOptions device;
  bool quick = false, json = false;
};
int check(const CheckOptions& options);

struct BenchOptions {
  std::vector<std::string> names;
  std::vector<std::string> sets;
  std::string against;  // an earlier run's --json to compare with
  bool choose = false;  // time the variants of every kernel and keep the fastest for this device
  gpu::DeviceOptions device;
  bool json = false;
};
int bench(const BenchOptions& options);

struct TrainOptions {
  std::string recipe;  // empty: list them
  std::vector<std::string> sets;
  std::int64_t steps = 0;  // 0: the recipe's
  std::string resume, from, output;  // a checkpoint to go on from; a model whose weights are the first
  gpu::DeviceOptions device;
  bool json = false;
};
int train(const TrainOptions& options);

struct JudgeOptions {
  std::string model;  // what train wrote (the file or its folder), or the id of a model that comes with the program
  std::vector<std::string> sets;
  gpu::DeviceOptions device;
  bool json = false;
};
int judge(const JudgeOptions& options);

}  // namespace orrery::cli
