// Questions about ShapeWorld scenes (see shapeworld_questions.h). Draws: stream 65, d0 = bounded 4 picks the form, d1 the object of Q0, d2
// the truth of Q2.

#include "core/data/shapeworld_questions.h"

#include <algorithm>

#include "core/base/philox.h"
#include "core/data/shapeworld_captions.h"

namespace orrery::shapeworld {

namespace {

std::string nameOf(const Object& o) { return std::string(classNames[static_cast<std::size_t>(o.shape)]); }

std::string opposite(const std::string& relation) {
  if (relation == "left of") return "right of";
  if (relation == "right of") return "left of";
  return relation == "above" ? "below" : "above";
}

}  // namespace

Questions questionsOf(const Scene& scene, const Options& options) {
  Questions questions;
  const auto draws = philox({0, 65, scene.index, domainOf(options)}, philoxKey(options.seed));
  const auto& objects = scene.objects;
  std::vector<const Object*> alone;  // objects whose class occurs once
  for (const Object& o : objects) {
    if (std::count_if(objects.begin(), objects.end(), [&](const Object& other) { return other.shape == o.shape; }) == 1)
      alone.push_back(&o);
  }
  if (!alone.empty()) {
    const Object& o = *alone[draws[1] % alone.size()];
    questions.forms[0] = {"what colour is the " + nameOf(o), std::string(colourNames[static_cast<std::size_t>(o.colour)])};
  }
  questions.forms[1] = {"how many shapes", objects.empty() ? std::string("no") : std::string(vocabulary()[21 + objects.size()])};
  if (alone.size() >= 2) {
    const bool truth = (draws[2] & 1) != 0;
    const std::string relation = relationOf(*alone[0], *alone[1]);
    questions.forms[2] = {"is the " + nameOf(*alone[0]) + " " + (truth ? relation : opposite(relation)) + " the " + nameOf(*alone[1]),
                          truth ? "yes" : "no"};
  }
  if (objects.size() == 2 && alone.size() == 2) {
    questions.forms[3] = {"what shape is " + relationOf(objects[0], objects[1]) + " the " + nameOf(objects[1]), nameOf(objects[0])};
  }
  // Fall through to the next form that is defined; Q1 always is.
  questions.asked = static_cast<int>(philoxBounded(draws[0], 4));
  while (questions.forms[static_cast<std::size_t>(questions.asked)].text.empty()) questions.asked = (questions.asked + 1) % 4;
  return questions;
}

std::array<std::string, 5> captionsOf(const Scene& scene) {
  std::array<std::string, 5> captions;
  for (unsigned t = 0; t < 5; ++t) captions[t] = captionOf(scene, 1u << t, [](int) { return 0; });
  return captions;
}

}  // namespace orrery::shapeworld
