// The grammar of the command line.

#include "app/cli/cli.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "app/cli/commands.h"
#include "app/cli/output.h"
#include "core/base/files.h"
#include "core/base/text.h"
#include "core/session/nearest.h"

namespace orrery::cli {

namespace {

struct Globals {
  int device = -1;
  std::string language, variant;
  bool validation = false, safeMode = false;
};

void addGlobals(CLI::App& app, Globals& globals) {
  app.add_option("--device", globals.device, tr("Number of the Vulkan device (orrery devices lists them)"))->check(CLI::NonNegativeNumber);
  app.add_option("--lang", globals.language, tr("Language of texts: en or zh"))->check(CLI::IsMember({"en", "zh"}));
  app.add_option("--variant", globals.variant, tr("Build of every kernel that has several: scalar (CPUs), subgroup (GPUs) or matrix (f16 products where the device has them)"))
      ->check(CLI::IsMember({"scalar", "subgroup", "matrix"}));
  app.add_flag("--validation", globals.validation, tr("Turn the Vulkan validation layer on"));
}

void addScene(CLI::App& command, SceneOptions& scene) {
  command.add_option("scene", scene.scene, tr("A lab's id, or a figure, film or session file to restore"))->required()->type_name("LAB|FIGURE");
  command.add_option("--preset", scene.preset, tr("Start from this preset"));
  command.add_option("--set", scene.sets, tr("A parameter's value; numbers may be 1/3, 2e-4, 64k, 2^10, pi"))
      ->type_name("ID=VALUE")
      ->allow_extra_args(false);
  command.add_option("--frame", scene.frame, tr("Position on the timeline, from 0 (default: the last; for a figure file, its own)"));
}

// A word that is no file was probably meant as a command.
int noSuchFile(const CLI::App& app, const std::string& word) {
  std::vector<std::string> names;
  for (const auto* command : app.get_subcommands({})) names.push_back(command->get_name());
  const auto close = nearest(word, names);
  const bool looksLikePath = word.find_first_of("./\\") != std::string::npos;
  if (looksLikePath) return fail(makeError(ErrorCode::notFound, trf("there is no file '{}'", word)));
  if (close.empty()) return usage(trf("there is no command or file '{}'; see orrery --help", word));
  return usage(trf("there is no command or file '{}'; did you mean {}?", word, joined(close)));
}

// --lang counts before the texts of help and errors are made.
void applyLanguage(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--lang" && i + 1 < argc) (void)setLanguage(argv[i + 1]);
    if (argument.starts_with("--lang=")) (void)setLanguage(argument.substr(7));
  }
}

// A driver with a Wayland part looks for a display when it is opened and complains on stderr when there is no folder to look in. The
// commands open no window: a folder of ours without a display in it keeps stderr for our own sentences. Qt wants it private.
void quietDisplaySearch() {
  const char* given = std::getenv("XDG_RUNTIME_DIR");
  if (given && *given) return;
  const auto folder = std::filesystem::path(cacheFolder()) / "runtime";
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  std::filesystem::permissions(folder, std::filesystem::perms::owner_all, failed);
  if (!failed) ::setenv("XDG_RUNTIME_DIR", folder.c_str(), 1);
}

// CLI11's messages may span lines; ours are one sentence.
std::string oneLine(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  for (char& letter : text) {
    if (letter == '\n') letter = ' ';
  }
  return text;
}

}  // namespace

int run(int& argc, char** argv, const OpenWindow& openWindow) {
  // A closed pipe is told by the write, not by a signal that ends the program half way.
  std::signal(SIGPIPE, SIG_IGN);
  applyLanguage(argc, argv);

  CLI::App app(tr("Orrery: an instrument for the mechanisms inside machine-learning models. Without a command it opens the window."),
               "orrery");
  app.set_version_flag("--version", std::string("orrery ") + ORRERY_VERSION);
  app.require_subcommand(0, 1);
  Globals globals;
  addGlobals(app, globals);
  app.add_flag("--safe-mode", globals.safeMode, tr("Open the window without settings, layout and recovery"));
  std::vector<std::string> files;
  app.add_option("files", files, tr("Files to drop on the window"))->type_name("FILE");

  const auto command = [&](const char* name, const std::string& help) {
    auto* sub = app.add_subcommand(name, help);
    addGlobals(*sub, globals);
    return sub;
  };
  bool json = false;
  const auto addJson = [&](CLI::App* sub) { sub->add_flag("--json", json, tr("Print JSON")); };

  auto* labs = command("labs", tr("List the labs"));
  addJson(labs);

  std::string labId;
  auto* show = command("show", tr("Show a lab's parameters, presets, views and files"));
  show->add_option("lab", labId)->required()->type_name("LAB");
  addJson(show);

  RenderOptions renderOptions;
  auto* renderCommand = command("render", tr("Render a lab, or a figure's recipe, as PNG, SVG or PDF"));
  addScene(*renderCommand, renderOptions.scene);
  renderCommand->add_option("--size", renderOptions.look.size, tr("Width and height in px at 96 per inch (default 1280x720)"))->type_name("WxH");
  renderCommand->add_option("--scale", renderOptions.look.scale, tr("PNG pixels per px of --size (default 1; 2 for 192 dpi)"));
  renderCommand->add_option("--theme", renderOptions.look.theme, tr("light (default) or dark"));
  renderCommand->add_option("--panel", renderOptions.look.panel, tr("Only the panel with this id"));
  renderCommand->add_flag("--letters", renderOptions.look.letters, tr("Panel letters a, b, c"));
  renderCommand->add_flag("--transparent", renderOptions.look.transparent, tr("No background"));
  renderCommand->add_flag("--outlines", renderOptions.look.outlines, tr("Text as outlines (SVG, PDF)"));
  renderCommand->add_option("-o,--output", renderOptions.outputs, tr("The file to write: .png, .svg or .pdf; may be given several times"))
      ->required()
      ->allow_extra_args(false);
  addJson(renderCommand);

  DataOptions dataOptions;
  auto* dataCommand = command("data", tr("Write the arrays behind every mark and the lab's metrics, or the lab's data set"));
  addScene(*dataCommand, dataOptions.scene);
  dataCommand
      ->add_option("-o,--output", dataOptions.outputs,
                   tr("The file to write: .json, .csv or .npz, may be given several times; a folder (ending in /) for a lab's data set"))
      ->required()
      ->allow_extra_args(false);
  addJson(dataCommand);

  FilmOptions filmOptions;
  auto* filmCommand = command("film", tr("Play a lab's timeline or move its parameters, as MP4, WebM or GIF"));
  addScene(*filmCommand, filmOptions.scene);
  filmCommand->get_option("--frame")->description(tr("The timeline stays at this frame instead of playing"));
  filmCommand
      ->add_option("--animate", filmOptions.animations,
                   tr("Move a parameter while the film runs, from value to value, A:B:C or A:B@30%:C; may be given several times (pace of a number: linear, ease, "
                   "log; default as its slider)"))
      ->type_name("ID=FROM:TO[:PACE]")
      ->allow_extra_args(false);
  filmCommand->add_flag("--still", filmOptions.still, tr("The timeline stays at its end while parameters move"));
  filmCommand->add_option("--seconds", filmOptions.seconds, tr("How long (default: the timeline at its own speed, or 5)"))->type_name("S");
  filmCommand->add_option("--fps", filmOptions.rate, tr("Frames per second (default 30; GIF 25)"))->type_name("F");
  filmCommand->add_option("--size", filmOptions.size, tr("Width and height in px (default 1280x720)"))->type_name("WxH");
  filmCommand->add_option("--scale", filmOptions.scale, tr("Film pixels per px of --size (default 1; 640x360 at 2 is 1280x720 with letters twice as large)"));
  filmCommand->add_option("--theme", filmOptions.theme, tr("light (default) or dark"));
  filmCommand->add_option("-o,--output", filmOptions.output, tr("The file to write: .mp4, .webm or .gif"))->required();
  addJson(filmCommand);

  SweepOptions sweepOptions;
  auto* sweepCommand = command("sweep", tr("Every combination of some parameters' values: a figure of each and one table of their metrics"));
  addScene(*sweepCommand, sweepOptions.scene);
  sweepCommand->add_option("--grid", sweepOptions.grids, tr("A parameter and its values; may be given several times, the last varies fastest"))
      ->type_name("ID=A,B,C")
      ->required()
      ->allow_extra_args(false);
  sweepCommand->add_option("--shard", sweepOptions.shard, tr("Only part I of N of the points, for many machines; the same command without it joins the tables"))->type_name("I/N");
  sweepCommand->add_option("--format", sweepOptions.format, tr("Of the figures: svg (default), png or pdf"))->check(CLI::IsMember({"svg", "png", "pdf"}));
  sweepCommand->add_option("--size", sweepOptions.look.size, tr("Width and height in px at 96 per inch (default 1280x720)"))->type_name("WxH");
  sweepCommand->add_option("--scale", sweepOptions.look.scale, tr("PNG pixels per px of --size (default 1; 2 for 192 dpi)"));
  sweepCommand->add_option("--theme", sweepOptions.look.theme, tr("light (default) or dark"));
  sweepCommand->add_option("--panel", sweepOptions.look.panel, tr("Only the panel with this id"));
  sweepCommand->add_flag("--again", sweepOptions.again, tr("Compute also the points that are there already"));
  sweepCommand->add_option("-o,--output", sweepOptions.output, tr("The folder to write to"))->required();
  addJson(sweepCommand);

  TrainOptions trainOptions;
  auto* trainCommand = command("train", tr("Train one of the small models from its recipe; without a recipe, list them"));
  trainCommand->add_option("recipe", trainOptions.recipe)->type_name("RECIPE");
  trainCommand->add_option("--set", trainOptions.sets, tr("A setting of the recipe, setting=value; may be given several times"))->allow_extra_args(false);
  trainCommand->add_option("--steps", trainOptions.steps, tr("Training steps (default: the recipe's)"))->check(CLI::PositiveNumber);
  trainCommand->add_option("--resume", trainOptions.resume, tr("Go on from this checkpoint"))->type_name("FILE");
  trainCommand->add_option("--from", trainOptions.from, tr("First weights: a model of this recipe, file or folder"))->type_name("MODEL");
  trainCommand->add_option("-o,--output", trainOptions.output, tr("The model to write: .safetensors; config.json is written beside it"));
  addJson(trainCommand);

  JudgeOptions judgeOptions;
  auto* judgeCommand = command("judge", tr("Judge a trained model once more on what it has not seen"));
  judgeCommand->add_option("model", judgeOptions.model, tr("What train wrote (the file or its folder), or the id of a model that comes with Orrery"))
      ->required()
      ->type_name("MODEL|ID");
  judgeCommand->add_option("--set", judgeOptions.sets, tr("A setting of the recipe, setting=value; may be given several times"))->allow_extra_args(false);
  addJson(judgeCommand);

  MapOptions mapOptions;
  auto* mapCommand = command("map", tr("Average precision of detections by the COCO or VOC rules"));
  mapCommand->add_option("--gt", mapOptions.truth, tr("Ground truth: COCO JSON, VOC folder, YOLO folder or table"))->required();
  mapCommand->add_option("--dt", mapOptions.detections, tr("Detections: COCO results, VOC result files, YOLO folder or table"))->required();
  mapCommand->add_option("--protocol", mapOptions.protocol, tr("coco (default), voc07 or voc10"));
  mapCommand->add_option("--iou", mapOptions.thresholds, tr("IoU threshold; may be given several times"))->allow_extra_args(false);
  mapCommand->add_flag("--lenient", mapOptions.lenient, tr("Skip damaged entries and say so"));
  addJson(mapCommand);

  std::string path;
  bool lenient = false;
  auto* inspectCommand = command("inspect", tr("Say what a file is, or what is wrong with it"));
  inspectCommand->add_option("file", path)->required()->type_name("FILE");
  inspectCommand->add_flag("--lenient", lenient, tr("List what can be listed although the file is damaged"));
  addJson(inspectCommand);

  CheckOptions checkOptions;
  auto* checkCommand = command("check", tr("Compare every kernel with its reference on this device"));
  checkCommand->add_flag("--quick", checkOptions.quick, tr("Only the first case of each"));
  addJson(checkCommand);

  BenchOptions benchOptions;
  auto* benchCommand = command("bench", tr("Measure the device, the kernels, the labs and the registered jobs"));
  benchCommand->add_option("names", benchOptions.names, tr("Kernels, labs or jobs (default: all)"))->type_name("NAME");
  benchCommand->add_option("--against", benchOptions.against, tr("Compare with an earlier run's --json"))->type_name("FILE");
  benchCommand->add_flag("--choose", benchOptions.choose, tr("Time the scalar and the subgroup build of every kernel and use the faster one on this device from now on"));
  benchCommand->add_option("--set", benchOptions.sets, tr("A parameter's value for the labs that have it"))
      ->type_name("ID=VALUE")
      ->allow_extra_args(false);
  addJson(benchCommand);

  auto* devices = command("devices", tr("List the Vulkan devices"));
  addJson(devices);

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    // --help and --version print and end.
    std::string text = dynamic_cast<const CLI::CallForVersion*>(&help) ? std::string(help.what()) + "\n" : std::string();
    if (text.empty()) {
      const CLI::App* asked = &app;
      for (const auto* sub : app.get_subcommands()) asked = sub;
      text = asked->help(asked == &app ? "" : "orrery");
    }
    return print(text);
  } catch (const CLI::ParseError& error) {
    return usage(oneLine(error.what()));
  }

  if (!app.get_subcommands().empty()) quietDisplaySearch();
  if (!globals.variant.empty()) ::setenv("ORRERY_VARIANT", globals.variant.c_str(), 1);
  const gpu::DeviceOptions device{globals.device, globals.validation};
  if (labs->parsed()) return listLabs(json);
  if (show->parsed()) return showLab(labId, json);
  if (renderCommand->parsed()) {
    renderOptions.scene.device = device;
    renderOptions.json = json;
    return render(renderOptions);
  }
  if (dataCommand->parsed()) {
    dataOptions.scene.device = device;
    dataOptions.json = json;
    return data(dataOptions);
  }
  if (filmCommand->parsed()) {
    filmOptions.scene.device = device;
    filmOptions.json = json;
    return film(filmOptions);
  }
  if (sweepCommand->parsed()) {
    sweepOptions.scene.device = device;
    sweepOptions.json = json;
    return sweep(sweepOptions);
  }
  if (judgeCommand->parsed()) {
    judgeOptions.device = device;
    judgeOptions.json = json;
    return judge(judgeOptions);
  }
  if (trainCommand->parsed()) {
    trainOptions.device = device;
    trainOptions.json = json;
    return train(trainOptions);
  }
  if (mapCommand->parsed()) {
    mapOptions.json = json;
    return map(mapOptions);
  }
  if (inspectCommand->parsed()) return inspect(path, lenient, json);
  if (checkCommand->parsed()) {
    checkOptions.device = device;
    checkOptions.json = json;
    return check(checkOptions);
  }
  if (benchCommand->parsed()) {
    benchOptions.device = device;
    benchOptions.json = json;
    return bench(benchOptions);
  }
  if (devices->parsed()) return showDevices(json);

  for (const auto& file : files) {
    std::error_code ignored;
    if (!std::filesystem::exists(file, ignored)) return noSuchFile(app, file);
  }
  return openWindow(argc, argv, {files, globals.language, device, globals.safeMode});
}

}  // namespace orrery::cli
