#pragma once
// From the names other libraries use to our samplers, grids and options: "sample_dpmpp_2m_sde + karras", "euler_ancestral",
// "DPMSolverMultistepScheduler(algorithm_type='sde-dpmsolver++', use_karras_sigmas=True)", "DPM++ 2M Karras". The names are those that samplers
// and grids register themselves (Sampler::diffusers, kDiffusion, comfy, others; Grid::otherNames), written as
//   name (needed, needed) -> implied, implied [remark]; next name
// "needed": what a call must say to mean this sampler, "argument value", or a value or switch alone. "implied": arguments whose value in that
// library differs from ours, taken unless the call says otherwise. Ids and titles of ours are names, too.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/expected.h"
#include "core/diffusion/grid.h"
#include "core/diffusion/sampler.h"

namespace orrery::diffusion {

// One registered name.
struct LibraryName {
  std::string name;
  std::vector<std::string> needed, implied;
  std::string remark;
  std::string shown() const;  // "DPMSolverMultistepScheduler (sde-dpmsolver++)"
};
std::vector<LibraryName> libraryNames(std::string_view registered);
// The same as people read them: what is implied is left out. "–" where there is none.
std::string shownNames(std::string_view registered, std::size_t most = 8);

// What a text was taken for.
struct FromLibrary {
  const Sampler* sampler = nullptr;  // null: the text names none
  const Grid* grid = nullptr;
  // Options by the ids that the sampler bench gives its parameters ("eta", "churn-from", "rho" ...), with values as one types them.
  std::vector<std::pair<std::string, std::string>> options;
  std::vector<std::string> leftOut;  // arguments without a counterpart here
  std::string remark;
  std::string sentence() const;  // "DPM-Solver++(2M) SDE (dpm++2m-sde), grid Karras (karras), eta = 1"
};

// Error: nothing has this name (then those near it), several have (then which), or the call asks for what no sampler here does. A text
// without a word names nothing and is no error.
Expected<FromLibrary> fromLibrary(std::string_view text);

}  // namespace orrery::diffusion
