#pragma once
// Captions of ShapeWorld scenes, and their 64-word vocabulary.

#include <functional>
#include <string>

#include "core/data/shapeworld.h"

namespace orrery::shapeworld {

// One of the allowed templates, picked by `pick(number of allowed templates)`:
// T0 "a red square"  T1 "a small red square"  T2 "... on a striped background"  T3 "a red square left of a blue star"  T4 "three shapes on a ... background".
std::string captionOf(const Scene& scene, unsigned templates, const std::function<int(int)>& pick);

// Where the first lies seen from the second, by their centres: "left of", "right of", "above", "below".
std::string relationOf(const Object& first, const Object& second);

}  // namespace orrery::shapeworld
