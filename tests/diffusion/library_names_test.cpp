// The names of other libraries lead to our samplers, grids and options.

#include "core/diffusion/library_names.h"

#include <map>

#include "tests/support/catch.h"

using namespace orrery::diffusion;

namespace {

FromLibrary taken(const std::string& text) {
  auto found = fromLibrary(text);
  INFO(text << ": " << (found ? found->sentence() : found.error().message));
  REQUIRE(found);
  return *found;
}

std::string refusal(const std::string& text) {
  const auto found = fromLibrary(text);
  INFO(text << ": " << (found ? found->sentence() : std::string()));
  REQUIRE_FALSE(found);
  return found.error().message;
}

std::map<std::string, std::string> optionsOf(const FromLibrary& found) { return {found.options.begin(), found.options.end()}; }

// The text as a caller of that library writes it.
std::string callOf(const LibraryName& name) {
  std::string call;
  for (std::string needed : name.needed) {
    const auto space = needed.find(' ');
    if (space != std::string::npos) needed[space] = '=';
    if (needed == "s_churn") needed = "s_churn=20";
    if (needed == "skip_prk_steps") needed = "skip_prk_steps=True";
    call += (call.empty() ? "" : ", ") + needed;
  }
  return call.empty() ? name.name : name.name + "(" + call + ")";
}

}  // namespace

TEST_CASE("every name a sampler or a grid registers leads back to it") {
  int names = 0;
  for (const Sampler& s : orrery::registered<Sampler>()) {
    for (const std::string* registered : {&s.diffusers, &s.kDiffusion, &s.comfy, &s.others}) {
      for (const LibraryName& name : libraryNames(*registered)) {
        const std::string call = callOf(name);
        INFO(call);
        const auto found = fromLibrary(call);
        INFO((found ? found->sentence() : found.error().message));
        REQUIRE(found);
        REQUIRE(found->sampler != nullptr);
        CHECK(found->sampler->id == s.id);
        ++names;
      }
    }
    for (const std::string* own : {&s.id, &s.title}) {
      INFO(*own);
      const auto found = fromLibrary(*own);
      INFO((found ? "" : found.error().message));
      REQUIRE(found);
      REQUIRE(found->sampler != nullptr);
      CHECK(found->sampler->id == s.id);
    }
  }
  for (const Grid& g : orrery::registered<Grid>()) {
    for (const LibraryName& name : libraryNames(g.otherNames)) {
      std::string call = callOf(name);
      if (call.starts_with("timestep_spacing") || call.starts_with("use_")) {
        // Arguments of a scheduler.
        if (const auto space = call.find(' '); space != std::string::npos) call[space] = '=';
        call = "EulerDiscreteScheduler(" + (call.find('=') == std::string::npos ? call + "=True" : call) + ")";
      }
      INFO(call);
      const auto found = fromLibrary(call);
      INFO((found ? found->sentence() : found.error().message));
      REQUIRE(found);
      REQUIRE(found->grid != nullptr);
      CHECK(found->grid->id == g.id);
      ++names;
    }
    for (const std::string* own : {&g.id, &g.title}) {
      INFO(*own);
      const auto found = fromLibrary(*own);
      INFO((found ? "" : found.error().message));
      REQUIRE(found);
      REQUIRE(found->grid != nullptr);
      CHECK(found->grid->id == g.id);
    }
  }
  CHECK(names > 90);
}

TEST_CASE("names are read as people type and paste them") {
  const struct {
    const char *text, *sampler, *grid;
    std::map<std::string, std::string> options;
  } rows[] = {
      {"sample_dpmpp_2m_sde + karras", "dpm++2m-sde", "karras", {{"sde-form", "midpoint"}}},
      {"DPMSolverMultistepScheduler(algorithm_type=\"sde-dpmsolver++\", use_karras_sigmas=True)", "dpm++2m-sde", "karras",
       {{"eta", "1"}, {"sde-form", "midpoint"}}},
      {"euler_ancestral", "euler-a", "", {}},
      {"DPM++ 2M Karras", "dpm++2m", "karras", {}},
      {"DPM++ 2M SDE Karras", "dpm++2m-sde", "karras", {{"sde-form", "midpoint"}}},
      {"Euler a", "euler-a", "", {}},
      {"dpmpp_2m_sde_heun_gpu sgm_uniform", "dpm++2m-sde", "sgm-uniform", {{"sde-form", "heun"}}},
      {"karras, uni_pc", "unipc", "karras", {{"unipc-variant", "bh1"}, {"unipc-order", "3"}}},
      {"sampler_name=euler scheduler=beta57", "euler", "beta", {{"beta-shape", "0.5"}, {"beta-b", "0.7"}}},
      {"pipe.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config, timestep_spacing='trailing')", "euler", "trailing", {}},
      {"K.sampling.sample_heun(model, x, sigmas, s_churn=10)", "edm", "",
       {{"churn", "10"}, {"churn-from", "0"}, {"churn-to", "500"}, {"churn-noise", "1"}}},
      {"sample_heun(s_churn=0)", "heun", "", {}},
      {"UniPCMultistepScheduler(solver_order=3, solver_type='bh1')", "unipc", "", {{"unipc-order", "3"}, {"unipc-variant", "bh1"}}},
      {"DPMSolverMultistepScheduler(solver_order=3)", "dpm++3m", "", {}},
      {"sample_dpmpp_3m_sde(eta=0)", "dpm++3m", "", {}},
      {"sample_dpmpp_3m_sde(eta=0.5, s_noise=1.003)", "dpm++3m-sde", "", {{"eta", "0.5"}, {"noise-scale", "1.003"}}},
      {"DDIMScheduler(eta=0.3)", "ddim", "", {{"eta", "0.3"}}},
      {"DDIMScheduler", "ddim", "", {{"eta", "0"}}},
      {"FlowMatchEulerDiscreteScheduler(shift=5)", "euler", "flow-shift", {{"shift", "5"}}},
      {"get_sigmas_karras(n, 0.03, 14.6, rho=5)", "", "karras", {{"rho", "5"}}},
      {"DPMSolverMultistepScheduler(use_karras_sigmas=False)", "dpm++2m", "", {}},
  };
  for (const auto& row : rows) {
    INFO(row.text);
    const FromLibrary found = taken(row.text);
    CHECK((found.sampler ? found.sampler->id : "") == row.sampler);
    CHECK((found.grid ? found.grid->id : "") == row.grid);
    CHECK(optionsOf(found) == row.options);
  }
  CHECK(taken("").sampler == nullptr);
  CHECK(taken("sample_euler(callback=f)").leftOut == std::vector<std::string>{"callback"});
  CHECK(taken("sample_euler(callback=f)").sentence().find("callback") != std::string::npos);
}

TEST_CASE("an unknown name gets those near it, an ambiguous one what it may mean, and a form that is not here is said to be missing") {
  const std::string unknown = refusal("sample_dpmp_2m");
  CHECK(unknown.find("sample_dpmpp_2m") != std::string::npos);
  CHECK(refusal("karas").find("karras") != std::string::npos);
  const std::string several = refusal("AlignYourStepsScheduler");
  for (const char* one : {"SD1", "SDXL", "SVD"}) CHECK(several.find(one) != std::string::npos);
  CHECK(refusal("DPMSolverMultistepScheduler(algorithm_type='dpmsolver')").find("sde-dpmsolver++") != std::string::npos);
  CHECK(refusal("DPMSolverSinglestepScheduler(solver_order=3)").find("dpmsolver") != std::string::npos);
  CHECK(refusal("DEISMultistepScheduler").find("solver_order 3") != std::string::npos);
  CHECK(refusal("eta=1").find("neither") != std::string::npos);
}
