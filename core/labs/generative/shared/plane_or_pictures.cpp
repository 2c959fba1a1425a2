#include "core/labs/generative/shared/plane_or_pictures.h"

#include "core/labs/generative/shared/picture_choice.h"
#include "core/labs/generative/shared/plane_scene.h"

namespace orrery::generative {

namespace {

const std::string& textOf(const Values& values, std::string_view id) { return std::get<std::string>(values.find(id)->second); }

}  // namespace

bool onPlane(const Values& values) { return textOf(values, "data") == "plane"; }
bool onPictures(const Values& values) { return !onPlane(values); }

Expected<void> PlaneOrPictures::update(LabContext& context) {
  // What is shown changes when the other has something to show.
  const std::size_t next = onPlane(context.values()) ? 0 : 1;
  if (auto done = parts_[next]->update(context); !done) return done;
  shown_ = next;
  return {};
}

Parameter planeOrPicturesParameter() {
  Choice choice = pictureChoice();
  choice.options.insert(choice.options.begin(), {"plane", "Points of the plane"});
  return {"data", "Data", "What the flow learns: points of the plane, or small pictures.", "Data", std::string("plane"), choice};
}

std::vector<Parameter> shownOnPlane(std::vector<Parameter> parameters) {
  for (Parameter& p : parameters) {
    if (p.id == "file" || p.id == "invert") {
      p.visible = [](const Values& v) { return onPlane(v) && textOf(v, "scene") == "dropped"; };
    } else if (p.id == "brush" || p.id == "strokes") {
      p.visible = [](const Values& v) { return onPlane(v) && textOf(v, "scene") == "drawn"; };
    } else if (p.visible == nullptr) {
      p.visible = onPlane;
    }
  }
  return parameters;
}

std::vector<Parameter> flowTrainingParameters(std::vector<Parameter> parameters) {
  for (Parameter& p : parameters) {
    if (p.id != "steps-per-frame") p.visible = onPlane;
  }
  return parameters;
}

std::vector<Parameter> flowPictureParameters(std::vector<Parameter> parameters) {
  for (Parameter& p : parameters) {
    if (p.id != "way" && p.id != "direction" && p.id != "temperature") p.visible = onPlane;
  }
  return parameters;
}

std::vector<Acceptance> planeOrPicturesAcceptances() {
  Acceptance points = planeSceneAcceptance();
  points.also["data"] = std::string("plane");
  std::vector<Acceptance> accepts = pictureAcceptances();
  // The plane's own acceptance of pictures, as densities, is asked first.
  accepts.front().score = [](const FileReport& report) { return !report.error && report.kind == "image" ? 20 : 0; };
  accepts.insert(accepts.begin(), std::move(points));
  return accepts;
}

std::vector<Parameter> shownOnPictures(std::vector<Parameter> parameters) {
  for (Parameter& p : parameters) {
    if (p.visible == nullptr) p.visible = onPictures;
  }
  return parameters;
}

std::vector<Parameter> pictureTrainingParameters(double learningRate, std::int64_t batch, std::int64_t steps) {
  return shownOnPictures({
      {"picture-learning-rate", "Learning rate η", "Length of Adam's steps; it falls along a cosine.", "Training", learningRate,
       LogReal{1e-5, 1e-1}},
      {"picture-batch", "Batch size", "Pictures per step.", "Training", Value(batch), Integer{4, 512, true}},
      {"picture-steps", "Steps", "Length of the run.", "Training", Value(steps), Integer{10, 20000, true}},
  });
}

}  // namespace orrery::generative
