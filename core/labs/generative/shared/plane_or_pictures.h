#pragma once
// A lab that shows one kind of flow on points of the plane or on pictures: the parameter "data" says which. The two know nothing of each
// other; parameters both have (the way, the direction, the seed) are one.

#include <memory>
#include <utility>
#include <vector>

#include "core/session/lab.h"

namespace orrery::generative {

class PlaneOrPictures : public Lab {
 public:
  PlaneOrPictures(std::unique_ptr<Lab> plane, std::unique_ptr<Lab> pictures) : parts_{std::move(plane), std::move(pictures)} {}

  Expected<void> update(LabContext& context) override;
  bool keepsTime(const LabContext& context) const override { return part().keepsTime(context) && !context.changed("data"); }
  Expected<bool> advance(LabContext& context) override { return part().advance(context); }
  Timeline timeline() const override { return part().timeline(); }
  std::vector<Tensor> capture() const override { return part().capture(); }
  void restore(std::int64_t frame, std::vector<Tensor> state) override { part().restore(frame, std::move(state)); }
  Figure figure() const override { return part().figure(); }
  std::vector<Metric> metrics() const override { return part().metrics(); }
  Changes pointer(const PointerEvent& event, const Values& values) const override { return part().pointer(event, values); }
  Expected<void> writeFiles(LabContext& context, FolderWriter& folder) override { return part().writeFiles(context, folder); }

 private:
  Lab& part() const { return *parts_[shown_]; }
  std::unique_ptr<Lab> parts_[2];
  std::size_t shown_ = 0;
};

bool onPlane(const Values& values);
bool onPictures(const Values& values);

// "data", with the plane first.
Parameter planeOrPicturesParameter();
// The same parameters, shown only where the data are points of the plane, or pictures; `scene`'s own keep their conditions.
std::vector<Parameter> shownOnPlane(std::vector<Parameter> parameters);
std::vector<Parameter> shownOnPictures(std::vector<Parameter> parameters);
// A plane flow's parameters of training and of the picture: those both have stay, the others are the plane's.
std::vector<Parameter> flowTrainingParameters(std::vector<Parameter> parameters);
std::vector<Parameter> flowPictureParameters(std::vector<Parameter> parameters);
// Points or a density, a picture's patches where pictures are learnt, sets of pictures.
std::vector<Acceptance> planeOrPicturesAcceptances();
// "picture-learning-rate", "picture-batch", "picture-steps".
std::vector<Parameter> pictureTrainingParameters(double learningRate, std::int64_t batch, std::int64_t steps);

}  // namespace orrery::generative
