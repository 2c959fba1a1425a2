// Glow: a flow of pictures, trained live by maximum likelihood. Source: Kingma and Dhariwal 2018 (core/models/image_flow.h has the
// formulas; core/labs/generative/shared/picture_flow_lab.cpp the data, the loss and the random numbers).

#include <algorithm>
#include <cmath>

#include "core/base/text.h"
#include "core/labs/generative/glow/lab.h"
#include "core/models/image_flow_file.h"

namespace orrery::generative {

namespace flows = models::flows;

namespace {

flows::Mixing mixingOf(std::string_view id) {
  return id == "reverse"   ? flows::Mixing::reverse
         : id == "shuffle" ? flows::Mixing::shuffle
         : id == "dense"   ? flows::Mixing::dense
                           : flows::Mixing::lu;
}

std::string nameOf(const Choice& choice, const std::string& id) {
  for (const Choice::Option& option : choice.options) {
    if (option.id == id) return tr(option.label);
  }
  return id;
}

// Forward is a third of a training step, and keeps values without gradients.
Expected<bool> lookedAt(const flows::StepCost& training, const flows::StepCost& all) {
  return onlyLookedAt(training.operations, training.bytes, all.operations / 3, all.bytes / 2);
}

}  // namespace

Expected<void> Glow::readPicture(const LabContext& context) {
  step_ = context.integer("step");
  attribute_ = context.text("attribute"), amount_ = context.number("amount");
  if (auto read = readOwnPictures(context); !read) return read;
  return readPlaneMix(context);
}

Expected<void> Glow::checkPicture() const {
  if (rows_ != "attribute" || attribute_ == "folders") return {};
  const auto labels = attributeLabels(pictures_, attribute_, 1);
  if (!labels) return labels.error();
  return {};
}

Expected<std::vector<WantedFlow>> Glow::plan(const LabContext& context) const {
  flows::ImageFlowOptions options;
  if (const std::string& path = context.file("weights").path; !path.empty()) {
    auto file = flows::readImageFlow(path, pictures_.side, pictures_.side);
    if (!file) return file.error();
    if (file->options.mixing == flows::Mixing::none) {
      return makeError(ErrorCode::badInput, trf("The flow in {} mixes no channels: it is RealNVP's; open it in that lab", path));
    }
    auto still = lookedAt(flows::trainingCost(file->options, batch_), flows::trainingCost(file->options, evaluatedPictures));
    if (!still) return still.error();
    auto flow = flows::ImageFlow::make(file->options, seed_);
    if (!flow) return flow.error();
    return std::vector<WantedFlow>{
        {"file", tr("Your flow"), std::make_shared<flows::ImageFlow>(*std::move(flow)), std::move(file->weights), *still}};
  }
  options.height = options.width = pictures_.side;
  options.levels = context.integer("levels"), options.steps = context.integer("steps-per-level");
  options.hidden = context.integer("hidden");
  options.mixing = mixingOf(context.text("mixing"));
  options.affine = context.text("coupling") == "affine";
  options.leastScale = context.number("least-scale");
  const flows::StepCost cost = flows::trainingCost(options, batch_);
  if (auto fine = affordable(cost.operations, cost.bytes); !fine) return fine.error();

  struct Wanted {
    std::string id, name;
    flows::ImageFlowOptions options;
  };
  const std::string compare = context.text("compare"), mixing = context.text("mixing"), coupling = context.text("coupling");
  std::vector<Wanted> wanted{{mixing, nameOf(mixingChoice(), mixing), options}};
  if (compare == "couplings") wanted.front().id = coupling, wanted.front().name = nameOf(couplingChoice(), coupling);
  if (compare == "mixings") {
    for (const std::string id : {"reverse", "shuffle", "dense", "lu"}) {
      if (id == wanted.front().id) continue;
      wanted.push_back({id, nameOf(mixingChoice(), id), options});
      wanted.back().options.mixing = mixingOf(id);
    }
  } else if (compare == "couplings") {
    const std::string other = options.affine ? "additive" : "affine";
    wanted.push_back({other, nameOf(couplingChoice(), other), options});
    wanted.back().options.affine = !options.affine;
  }
  std::vector<WantedFlow> made;
  for (const Wanted& one : wanted) {
    auto flow = flows::ImageFlow::make(one.options, seed_);
    if (!flow) return flow.error();
    made.push_back({one.id, one.name, std::make_shared<flows::ImageFlow>(*std::move(flow))});
  }
  return made;
}

std::vector<Metric> Glow::metrics() const {
  std::vector<Metric> result = PictureFlowLab::metrics();
  if (runs_.empty()) return result;
  result.push_back({"actnorm.mean", worstMean_, ""});
  result.push_back({"actnorm.variance", worstVariance_, ""});
  return result;
}

std::size_t Glow::shownStep() const {
  const auto& options = imageFlow().options();
  return static_cast<std::size_t>(std::clamp<std::int64_t>(step_, 1, options.levels * options.steps) - 1);
}

std::size_t Glow::stageOf(std::size_t step, Kind kind) const {
  const auto perLevel = static_cast<std::size_t>(imageFlow().options().steps);
  const auto& stages = flow().stages();
  for (std::size_t i = 0; i < stages.size(); ++i) {
    if (stages[i].kind == kind && static_cast<std::size_t>(stages[i].level) == step / perLevel &&
        static_cast<std::size_t>(stages[i].step) == step % perLevel) {
      return i;
    }
  }
  return 0;
}

Changes Glow::stageChosen(const Stage& stage) const { return {{"step", stage.level * imageFlow().options().steps + stage.step + 1}}; }

Changes Glow::pointer(const PointerEvent& event, const Values& values) const {
  if (event.panel == "rows" && event.handle == "amount" && event.kind != PointerEvent::Kind::click) {
    return {{"amount", std::clamp(std::round(20 * mostAmount * event.x / rowColumns) / 20, 0.0, mostAmount)}};
  }
  if (event.panel == "matrix" && event.kind != PointerEvent::Kind::click) return planeMixChanges(event);
  if (event.panel == "volumes" && event.kind == PointerEvent::Kind::click && !runs_.empty()) {
    const double step = std::round(event.x);
    if (step < 1 || step > static_cast<double>(imageFlow().options().levels * imageFlow().options().steps)) return {};
    return {{"step", static_cast<std::int64_t>(step)}};
  }
  return PictureFlowLab::pointer(event, values);
}

ORRERY_LAB(Glow);

}  // namespace orrery::generative
