// The lists for parameters are the registries.

#include "core/diffusion/names.h"

#include <map>

#include "core/diffusion/grid.h"
#include "core/diffusion/process.h"
#include "core/diffusion/sampler.h"
#include "tests/support/catch.h"

using namespace orrery::diffusion;

namespace {

template <class T>
void compare(const std::vector<Name>& names) {
  std::map<std::string, std::string> listed, registry;
  for (const Name& name : names) CHECK(listed.emplace(name.id, name.title).second);
  for (const T& entry : orrery::registered<T>()) registry.emplace(entry.id, entry.title);
  CHECK(listed == registry);
}

}  // namespace

TEST_CASE("the names people choose from are exactly what is registered") {
  compare<Sampler>(samplerNames());
  compare<Grid>(gridNames());
  compare<Process>(processNames());
  for (const Sampler& sampler : orrery::registered<Sampler>()) {
    INFO(sampler.id);
    CHECK_FALSE(sampler.source.empty());
    CHECK(sampler.run != nullptr);
  }
}
