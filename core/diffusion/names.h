#pragma once
// Ids and titles of everything registered in core/diffusion, in the order people read them: for parameters, which are declared before the
// registries are complete. tests/diffusion/names_test.cpp holds them equal to the registries.

#include <string>
#include <vector>

namespace orrery::diffusion {

struct Name {
  std::string id, title;
};
std::vector<Name> samplerNames();
std::vector<Name> gridNames();
std::vector<Name> processNames();

}  // namespace orrery::diffusion
