#pragma once
// Questions about ShapeWorld scenes with one-word answers, and every caption a scene could have.

#include <array>
#include <string>

#include "core/data/shapeworld.h"

namespace orrery::shapeworld {

// Both empty: not well-defined for this scene.
struct Question {
  std::string text, answer;
};

// Q0 "what colour is the {shape}"            one object of that class; which such class: the draw modulo their number
// Q1 "how many shapes"                       always defined; a crowd does not count
// Q2 "is the {shape} {rel} the {shape'}"     the first two objects whose classes occur once; an odd draw asks for what is true
// Q3 "what shape is {rel} the {shape}"       exactly two objects, of different classes
struct Questions {
  std::array<Question, 4> forms;
  int asked = 1;  // the one that is drawn, or the next that is defined
};
Questions questionsOf(const Scene& scene, const Options& options);

// Templates T0..T4 of this scene; T3 of one object reads as T1. Empty texts when no object found a place.
std::array<std::string, 5> captionsOf(const Scene& scene);

}  // namespace orrery::shapeworld
