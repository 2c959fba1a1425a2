// The claims of the labs nice, realnvp and normalizing-flow about files: a trained flow, of the plane or of pictures, comes back from its file to the same
// bits, training goes on from it, and files that hold anything else are refused with a sentence.

#include <cmath>

#include "core/modelfile/safetensors_write.h"
#include "tests/support/lab_session.h"
#include "tests/support/scratch.h"

using namespace orrery;
using orrery::testing::Scratch;
using orrery::testing::arrayNamed;
using orrery::testing::metricsAt;
using orrery::testing::openLab;
using orrery::testing::refused;
using orrery::testing::text;
using orrery::testing::whole;

namespace {

// The session's flow as a file in its own folder.
Asset saved(Session& session, const Scratch& scratch, const std::string& name) {
  const std::string folder = scratch.path(name);
  std::filesystem::create_directories(folder);
  std::string problem = "not written";
  session.writeFiles(folder, [&](Expected<FilesWritten> written) { problem = written ? std::string() : written.error().message; });
  REQUIRE(session.wait());
  CHECK(problem.empty());
  return Asset{folder + "/model.safetensors", ""};
}

Tensor filled(Shape shape, float value) { return Tensor::from(shape, std::vector<float>(static_cast<std::size_t>(shape.count()), value)); }

}  // namespace

TEST_CASE("nice and realnvp: a flow of the plane comes back from its file to the same bits, whatever the parameters say of it") {
  const Scratch scratch;
  const Changes small{{"steps", whole(12)},      {"steps-per-frame", whole(6)}, {"batch", whole(64)},
                      {"particles", whole(256)}, {"raster", whole(32)},         {"width", whole(24)},
                      {"couplings", whole(3)},   {"depth", whole(1)},           {"scene", text("moons")}};
  struct Lab {
    const char* id;
    Changes own, other;  // of the flow that is saved; what is said when it is opened
  };
  const Lab labs[] = {
      {"generative/nice", {{"prior", text("logistic")}}, {{"prior", text("normal")}, {"scale-layer", false}}},
      {"generative/realnvp", {{"batch-norm", true}, {"scale-bound", 1.35}}, {{"batch-norm", false}, {"scale-bound", 3.0}}},
  };
  std::vector<Asset> files;
  for (const Lab& lab : labs) {
    INFO(lab.id);
    auto session = openLab(lab.id, small);
    REQUIRE(session->set(lab.own));
    const auto trained = metricsAt(*session, 2);
    const auto samples = arrayNamed(*session, "samples.model.xy"), latents = arrayNamed(*session, "layers.points.xy");
    files.push_back(saved(*session, scratch, std::string(lab.id).substr(11)));

    REQUIRE(session->set(lab.other));
    REQUIRE(session->set({{"weights", files.back()}, {"couplings", whole(2)}, {"width", whole(16)}, {"depth", whole(2)}}));
    const auto back = metricsAt(*session, 0);
    for (const char* metric : {"nll", "inverse-error", "parameters"}) CHECK(back.at(metric) == trained.at(metric));
    // The mass is withheld where this small raster is too coarse for the ridges.
    REQUIRE(back.count("mass.raster") == trained.count("mass.raster"));
    if (trained.count("mass.raster") > 0) CHECK(back.at("mass.raster") == trained.at("mass.raster"));
    CHECK(arrayNamed(*session, "samples.model.xy") == samples);
    CHECK(arrayNamed(*session, "layers.points.xy") == latents);
    // Training goes on from it, and the flow it then is can be kept again.
    CHECK(metricsAt(*session, 2).at("nll") != back.at("nll"));
    const Asset again = saved(*session, scratch, std::string(lab.id).substr(11) + "-again");
    const double nll = metricsAt(*session, 2).at("nll");
    REQUIRE(session->set("weights", again));
    CHECK(metricsAt(*session, 0).at("nll") == nll);
  }

  // What is none of theirs.
  auto nice = openLab("generative/nice", small);
  refused(*nice, {{"weights", files[1]}}, "open it in RealNVP");
  const auto written = [&](const char* name, const std::vector<std::pair<std::string, Tensor>>& tensors,
                           const std::map<std::string, std::string>& said = {}) {
    const std::string path = scratch.path(name);
    REQUIRE(modelfile::writeSafetensors(path, tensors, said));
    return Asset{path, ""};
  };
  refused(*nice, {{"weights", written("other.safetensors", {{"weight", filled(Shape{4, 4}, 1)}})}}, "has no flow of couplings in it");
  refused(*nice, {{"weights", written("three.safetensors", {{"layers.0.log_scale", filled(Shape{3}, 0)}})}}, "has 3 dimensions");
  const std::vector<std::pair<std::string, Tensor>> headless{{"layers.0.0.weight", filled(Shape{8, 2}, 0.1f)},
                                                             {"layers.0.0.bias", filled(Shape{8}, 0)},
                                                             {"layers.0.shift.weight", filled(Shape{2, 8}, 0.1f)}};
  refused(*nice, {{"weights", written("headless.safetensors", headless)}}, "needs a tensor 'layers.0.shift.bias' of shape [2]");
  refused(*nice, {{"weights", written("infinite.safetensors", {{"layers.0.log_scale", filled(Shape{2}, INFINITY)}})}}, "are not numbers");
  refused(*nice, {{"weights", written("law.safetensors", {{"layers.0.log_scale", filled(Shape{2}, 0)}}, {{"prior", "cauchy"}})}},
          "should say one of normal, logistic for 'prior'");
  auto realnvp = openLab("generative/realnvp", small);
  refused(*realnvp, {{"weights", written("bound.safetensors", {{"layers.0.log_scale", filled(Shape{2}, 0)}}, {{"scale_bound", "wide"}})}},
          "should say a number from 0 to 5 for 'scale_bound'");
  REQUIRE(realnvp->set("weights", files[0]));  // couplings that only shift are affine ones that do not scale
  CHECK(std::isfinite(metricsAt(*realnvp, 1).at("nll")));
}

TEST_CASE("nice and realnvp: a flow of pictures comes back from its file to the same bits, and another lab's is refused") {
  const Scratch scratch;
  const Changes small{{"data", text("single")},     {"side", whole(8)},          {"pictures", whole(64)},
                      {"picture-batch", whole(16)}, {"picture-steps", whole(10)}, {"steps-per-frame", whole(5)}};
  struct Lab {
    const char* id;
    Changes own, other;
  };
  const Lab labs[] = {
      {"generative/nice",
       {{"couplings", whole(3)}, {"picture-width", whole(32)}, {"split", text("random")}, {"prior", text("logistic")}},
       {{"couplings", whole(1)}, {"picture-width", whole(16)}, {"split", text("halves")}, {"prior", text("normal")}}},
      {"generative/realnvp",
       {{"couplings-per-stage", whole(1)},
        {"hidden", whole(16)},
        {"scale-bound", 0.85},
        {"alpha", 0.035},
        {"logit", text("two")},
        {"actnorm", true},
        {"batch-norm", true},
        {"norm-momentum", 0.35},
        {"masks", text("painted")},
        {"mask", text("fcf0f0f00f0f0f0f")}},
       {{"couplings-per-stage", whole(2)},
        {"hidden", whole(32)},
        {"scale-bound", 2.0},
        {"alpha", 0.1},
        {"logit", text("one")},
        {"actnorm", false},
        {"batch-norm", false},
        {"masks", text("both")}}},
  };
  std::vector<Asset> files;
  for (const Lab& lab : labs) {
    INFO(lab.id);
    auto session = openLab(lab.id, small);
    REQUIRE(session->set(lab.own));
    const auto trained = metricsAt(*session, 2);
    files.push_back(saved(*session, scratch, std::string(lab.id).substr(11)));
    REQUIRE(session->set(lab.other));
    REQUIRE(session->set("weights", files.back()));
    const auto back = metricsAt(*session, 0);
    CHECK(back.at("bits.held-out") == trained.at("bits.held-out"));
    CHECK(back.at("inverse-error") == trained.at("inverse-error"));
    CHECK(metricsAt(*session, 2).at("bits.held-out") != back.at("bits.held-out"));
    refused(*session, {{"data", text("plane")}},
            std::string(lab.id) == "generative/nice" ? "has 192 dimensions" : "has no flow of couplings in it");
  }
  auto nice = openLab("generative/nice", small, {}, true);
  refused(*nice, {{"weights", files[1]}}, "has no flow of couplings in it");
  refused(*nice, {{"weights", files[0]}, {"side", whole(16)}}, "pictures of 16 x 16 pixels have 768");
  auto realnvp = openLab("generative/realnvp", small, {}, true);
  refused(*realnvp, {{"weights", files[0]}}, "has no flow of pictures in it");
  auto glow = openLab("generative/glow", {{"data", text("single")}, {"side", whole(8)}, {"pictures", whole(64)}}, {}, true);
  refused(*glow, {{"weights", files[1]}}, "it is RealNVP's");
}

TEST_CASE("normalizing-flow: a flow of every family comes back from its file to the same bits, and training goes on from it") {
  const Scratch scratch;
  const Changes small{{"steps", whole(12)},      {"steps-per-frame", whole(6)}, {"batch", whole(64)}, {"particles", whole(256)},
                      {"raster", whole(32)},     {"width", whole(24)},          {"layers", whole(5)}, {"scene", text("tri")}};
  const Changes towards{{"objective", text("reverse")}, {"energy", text("u2")}};
  struct Kind {
    const char *name, *family;
    Changes own;
  };
  const Kind kinds[] = {
      {"planar", "planar", {}},
      {"radial", "radial", {}},
      {"both", "both", {}},
      {"coupling", "coupling", {}},
      {"continuous", "continuous", {{"solver", text("rk4")}, {"energy-penalty", 0.05}}},
      {"planar-back", "both", towards},
      {"coupling-back", "coupling", towards},
      {"continuous-back", "continuous", towards},
  };
  std::map<std::string, Asset> files;
  for (const Kind& kind : kinds) {
    INFO(kind.name);
    auto session = openLab("generative/normalizing-flow", small);
    REQUIRE(session->set(kind.own));
    REQUIRE(session->set("family", text(kind.family)));
    const auto trained = metricsAt(*session, 2);
    const auto samples = arrayNamed(*session, "samples.model.xy"), latents = arrayNamed(*session, "layers.points.xy");
    const Asset file = saved(*session, scratch, kind.name);
    files[kind.name] = file;

    // Other layers and another solver are said; what the file says counts.
    auto fresh = openLab("generative/normalizing-flow", small);
    REQUIRE(fresh->set({{"family", text("saved")}, {"weights", file}, {"layers", whole(3)}, {"width", whole(16)}, {"solver", text("euler")}}));
    for (const auto& [id, value] : kind.own)
      if (id != "solver") REQUIRE(fresh->set(id, value));
    const auto back = metricsAt(*fresh, 0);
    for (const char* metric : {"nll", "inverse-error", "parameters"}) CHECK(back.at(metric) == trained.at(metric));
    // The mass is withheld where this small raster is too coarse for the ridges.
    REQUIRE(back.count("mass.raster") == trained.count("mass.raster"));
    if (trained.count("mass.raster") > 0) CHECK(back.at("mass.raster") == trained.at("mass.raster"));
    if (trained.count("evaluations") > 0) CHECK(back.at("evaluations") == trained.at("evaluations"));
    if (trained.count("divergence.reverse") > 0) CHECK(back.at("divergence.reverse") == trained.at("divergence.reverse"));
    CHECK(arrayNamed(*fresh, "samples.model.xy") == samples);
    CHECK(arrayNamed(*fresh, "layers.points.xy") == latents);
    const double further = metricsAt(*fresh, 2).at("nll");
    CHECK(further != back.at("nll"));
    // The flow it then is can be kept again.
    const Asset again = saved(*fresh, scratch, std::string(kind.name) + "-again");
    REQUIRE(fresh->set("weights", again));
    CHECK(metricsAt(*fresh, 0).at("nll") == further);
  }

  auto session = openLab("generative/normalizing-flow", small, {}, true);
  refused(*session, {{"family", text("saved")}}, "no flow yet");
  refused(*session, {{"weights", files.at("planar-back")}}, "choose the objective 'Reverse KL to an energy'");
  refused(*session, {{"objective", text("reverse")}, {"weights", files.at("planar")}}, "choose the objective 'Likelihood of data'");
  REQUIRE(session->set("objective", text("nll")));
  const auto written = [&](const char* name, const std::vector<std::pair<std::string, Tensor>>& tensors,
                           const std::map<std::string, std::string>& said = {}) {
    const std::string path = scratch.path(name);
    REQUIRE(modelfile::writeSafetensors(path, tensors, said));
    return Changes{{"weights", Asset{path, ""}}};
  };
  const auto ridge = [](const std::string& layer, float w) {
    return std::vector<std::pair<std::string, Tensor>>{
        {layer + "w", filled(Shape{2}, w)}, {layer + "u", filled(Shape{2}, 0.1f)}, {layer + "b", filled(Shape{1}, 0)}};
  };
  const auto velocity = [](int hidden) {
    std::vector<std::pair<std::string, Tensor>> tensors;
    for (int k = 0; k <= hidden; ++k) {
      const std::int64_t out = k == hidden ? 2 : 8, in = k == 0 ? 3 : 8;
      tensors.emplace_back("layers.0." + std::to_string(2 * k) + ".weight", filled(Shape{out, in}, 0.1f));
      tensors.emplace_back("layers.0." + std::to_string(2 * k) + ".bias", filled(Shape{out}, 0));
    }
    return tensors;
  };
  refused(*session, written("other.safetensors", {{"weight", filled(Shape{4, 4}, 1)}}), "has no flow in it");
  refused(*session, written("flat.safetensors", ridge("layers.0.", 0)), "a plane without a direction is none");
  refused(*session, written("infinite.safetensors", ridge("layers.0.", INFINITY)), "are not numbers");
  refused(*session, written("huge.safetensors", {{"layers.0.log_scale", filled(Shape{2}, 100)}}), "Numerical range exceeded");
  refused(*session, written("three.safetensors", {{"layers.0.centre", filled(Shape{3}, 0)}, {"layers.0.a", filled(Shape{1}, 0)}, {"layers.0.b", filled(Shape{1}, 0)}}),
          "has 3 dimensions");
  refused(*session, written("bare.safetensors", {{"layers.0.centre", filled(Shape{2}, 0)}}), "needs a tensor 'layers.0.a' of shape [1]");
  refused(*session, written("deep.safetensors", velocity(3)), "has 3 hidden layers");
  auto mixed = velocity(1);
  for (auto& one : ridge("layers.1.", 1)) mixed.push_back(std::move(one));
  refused(*session, written("mixed.safetensors", mixed), "a velocity is a flow of its own");
  refused(*session, written("clock.safetensors", velocity(1), {{"solver", "sundial"}}), "should say one of euler, midpoint, rk4 for 'solver'");
  refused(*session, written("steps.safetensors", velocity(1), {{"solver_steps", "1e9"}}), "should say a number from 1 to 64 for 'solver_steps'");
  refused(*session, written("way.safetensors", velocity(1), {{"direction", "sideways"}}), "for 'direction'");
  REQUIRE(session->set(written("velocity.safetensors", velocity(1))));
  CHECK(std::isfinite(metricsAt(*session, 1).at("nll")));

  // What NICE and RealNVP cannot make of it, and what this lab can make of theirs.
  auto realnvp = openLab("generative/realnvp", {{"particles", whole(256)}, {"raster", whole(32)}, {"scene", text("tri")}}, {}, true);
  refused(*realnvp, {{"weights", files.at("radial")}}, "open it in Normalizing flows");
  refused(*realnvp, {{"weights", files.at("coupling-back")}}, "open it in Normalizing flows");
  REQUIRE(realnvp->set("weights", files.at("coupling")));
  const double nll = metricsAt(*realnvp, 0).at("nll");
  REQUIRE(session->set("weights", files.at("coupling")));
  CHECK(metricsAt(*session, 0).at("nll") == nll);
}
