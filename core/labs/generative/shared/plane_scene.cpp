// Scenes for labs that compute on the host.

#include "core/labs/generative/shared/plane_scene.h"

#include "core/base/text.h"
#include "core/labs/generative/shared/density_file.h"

namespace orrery::generative {

namespace {

const std::string& sceneOf(const Values& values) { return std::get<std::string>(values.find("scene")->second); }
bool drawn(const Values& values) { return sceneOf(values) == "drawn"; }
bool dropped(const Values& values) { return sceneOf(values) == "dropped"; }
bool never(const Values&) { return false; }

int scoreOf(const FileReport& report) {
  if (report.error) return 0;
  if (report.kind == "image" || report.kind == "points") return 55;
  if (report.kind == "npy" || report.kind == "npz") {
    for (const TensorSummary& tensor : report.tensors) {
      if (tensor.readable && tensor.shape.size() == 2 && tensor.shape[1] >= 2 && tensor.shape[1] <= 64)
        return report.tensors.size() == 1 ? 55 : 14;
    }
  }
  return 0;
}

}  // namespace

diffusion::State PlaneScene::draw(std::uint64_t seed, std::size_t count, std::uint32_t purpose, std::uint32_t first) const {
  const std::vector<double> sums = cumulativeWeights(density);
  diffusion::State state(2 * count);
  for (std::size_t i = 0; i < count; ++i) {
    const ExactPoint point = exactPoint(density, sums, seed, purpose, first + static_cast<std::uint32_t>(i));
    state[2 * i] = point.x[0];
    state[2 * i + 1] = point.x[1];
  }
  return state;
}

PlaneScene planeScene(std::string id, PlanarDensity density) {
  PlaneScene scene;
  scene.id = std::move(id);
  for (const kernels::Component& c : density.components)
    scene.mixture.components.push_back({c.weight, c.x, c.y, c.along, c.across, c.angle});
  scene.density = std::move(density);
  return scene;
}

Expected<PlaneScene> planeScene(std::string_view id, double spread) {
  if (id == "point") {
    PlanarDensity density;
    density.components = {{1, 0.6, 0.3, 0, 0, 0}};
    density.named = true;
    return planeScene(std::string(id), std::move(density));
  }
  auto density = builtInDensity(id, spread);
  if (!density) return density.error();
  return planeScene(std::string(id), std::move(*density));
}

Expected<PlaneScene> planeScene(const LabContext& context) {
  const std::string& id = context.text("scene");
  const double spread = context.number("spread");
  if (id == "drawn" || id == "dropped") {
    auto density = id == "drawn" ? densityOfDrawing(context.text("strokes"), spread)
                                 : densityOfFile(context.file("file"), context.flag("invert"), spread);
    if (!density) return density.error();
    return planeScene(id, std::move(*density));
  }
  auto scene = planeScene(id, spread);
  if (!scene || !scene->density.named) return scene;
  applyMoves(context.text("components"), id, scene->density);
  return planeScene(id, std::move(scene->density));
}

Choice sceneOptions(bool own) {
  Choice choice{{{"ring8", "Ring of 8"},
                 {"grid25", "Grid of 25"},
                 {"tri", "Three ellipses"},
                 {"point", "One point"},
                 {"two-deltas", "Two points"},
                 {"gauss", "One Gaussian"},
                 {"ncsn-toy", "Two far blobs"},
                 {"moons", "Two moons"},
                 {"spiral", "Spiral"},
                 {"pinwheel", "Pinwheel"},
                 {"checker", "Checkerboard"}}};
  if (own) {
    choice.options.push_back({"drawn", "Painted by you"});
    choice.options.push_back({"dropped", "From a file"});
  }
  return choice;
}

std::vector<Parameter> planeSceneParameters(std::string_view scene, double spread) {
  return {
      {"scene", "Shape", "The density of the data, known exactly.", "Density", std::string(scene), sceneOptions()},
      {"spread", "Spread", "Multiplies the width of every blob.", "Density", spread, LogReal{0.1, 10}},
      {"file", "File", "Points as CSV or npy, or any image taken as a density.", "Density", Asset{},
       FileWell{{"points", "npy", "npz", "image"}, false}, "", dropped},
      {"invert", "Dark is dense", "Whether dark pixels hold the mass.", "Density", true, Switch{}, "", dropped},
      {"brush", "Brush radius", "Drag over a picture to paint; with the secondary button or Alt, to erase.", "Density", 0.15, Real{0.02, 1},
       "", drawn},
      {"strokes", "Painting", "The dabs of the painting: x,y,radius joined by semicolons.", "Density", std::string(), Text{false, 1 << 18},
       "", drawn},
      {"components", "Moved blobs", "Blobs dragged away from the scene's own places.", "Density", std::string(), Text{}, "", never},
  };
}

Acceptance planeSceneAcceptance() {
  return {"points (CSV, npy) or an image as a density", "file", scoreOf, {{"scene", std::string("dropped")}}};
}

}  // namespace orrery::generative
