// RealNVP on pictures. Source: Dinh, Sohl-Dickstein and Bengio 2017, sections 3.4 (masks), 3.6 (scales) and 4.1 (logit); formulas in
// core/models/image_flow.h, data and loss in core/labs/generative/shared/picture_flow_lab.cpp. The authors put residual networks into the
// couplings and end on checkerboards; here every level squeezes and the networks are three convolutions.

#include "core/labs/generative/realnvp/pictures.h"

#include <algorithm>
#include <cmath>

#include "core/base/text.h"
#include "core/figure/place.h"
#include "core/labs/generative/shared/painted_mask.h"

namespace orrery::generative {

namespace flows = models::flows;

Choice RealNvpPictures::masksChoice() {
  return {{{"both", "Checkerboards, then channels"}, {"checkerboard", "Checkerboards alone"}, {"channel", "Channels alone"}, {"painted", "Painted, then channels"}}};
}

Expected<std::vector<WantedFlow>> RealNvpPictures::plan(const LabContext& context) const {
  const std::int64_t k = context.integer("couplings-per-stage");
  const auto optionsOf = [&](const std::string& masks) {
    flows::ImageFlowOptions options;
    options.height = options.width = pictures_.side;
    options.levels = context.integer("levels");
    // As many couplings with one kind of mask as with both.
    const bool both = masks == "both" || masks == "painted";
    options.checkers = both ? k : masks == "checkerboard" ? 2 * k : 0;
    options.steps = both ? k : masks == "channel" ? 2 * k : 0;
    if (masks == "painted") options.painted = flows::maskOfText(context.text("mask"));
    options.hidden = context.integer("hidden");
    options.mixing = flows::Mixing::none;
    options.actnorm = context.flag("actnorm");
    options.batchNorm = context.flag("batch-norm");
    options.momentum = context.number("norm-momentum");
    options.bounded = true;
    options.pixelsTogether = true;  // what leaves is every other row of pixels, in all colours
    options.bound = context.number("scale-bound");
    options.logit = true;
    options.alpha = context.number("alpha");
    options.twoSided = context.text("logit") == "two";
    return options;
  };
  const std::string chosen = context.text("masks"), compare = context.text("compare"), &path = context.file("weights").path;
  flows::ImageFlowOptions options = optionsOf(chosen);
  nn::Weights weights;
  if (!path.empty()) {
    auto file = flows::readImageFlow(path, pictures_.side, pictures_.side, options);
    if (!file) return file.error();
    if (file->options.mixing != flows::Mixing::none || !file->options.bounded) {
      return makeError(ErrorCode::badInput,
                       trf("The flow in {} is none of RealNVP's: its channels are mixed or its scales have no bound; open "
                           "it in Glow",
                           path));
    }
    options = file->options, weights = std::move(file->weights);
  }
  if (path.empty() && chosen == "painted" && !options.painted) {
    return makeError(ErrorCode::usage,
                     trf("The painted mask should be 16 hexadecimal digits, two for each of its 8 rows, found '{}'", context.text("mask")));
  }
  const flows::StepCost cost = flows::trainingCost(options, batch_);
  bool still = false;
  if (path.empty()) {
    if (auto fine = affordable(cost.operations, cost.bytes); !fine) return fine.error();
  } else {
    // Forward is a third of a training step, and keeps values without gradients.
    const flows::StepCost all = flows::trainingCost(options, evaluatedPictures);
    const auto only = onlyLookedAt(cost.operations, cost.bytes, all.operations / 3, all.bytes / 2);
    if (!only) return only.error();
    still = *only;
  }
  const int dropped = 8 - bits_;
  if (options.alpha == 0 &&
      std::any_of(pictures_.train.begin(), pictures_.train.end(), [&](std::uint8_t v) { return v >> dropped == 0; })) {
    return makeError(ErrorCode::badInput,
                     tr("With α = 0 the logit of a value 0 is infinite, and these pictures have some: take a larger α"));
  }

  if (!path.empty()) {
    auto flow = flows::ImageFlow::make(options, seed_);
    if (!flow) return flow.error();
    return std::vector<WantedFlow>{{"file", tr("Your flow"), std::make_shared<flows::ImageFlow>(*std::move(flow)), std::move(weights), still}};
  }

  struct Wanted {
    std::string id, name;
    flows::ImageFlowOptions options;
  };
  const Choice choice = masksChoice();
  const auto nameOf = [&](const std::string& id) {
    return tr(std::find_if(choice.options.begin(), choice.options.end(), [&](const auto& o) { return o.id == id; })->label);
  };
  std::vector<Wanted> wanted{{chosen, nameOf(chosen), options}};
  if (compare == "masks") {
    for (const auto& option : choice.options) {
      if (option.id != chosen && option.id != "painted") wanted.push_back({option.id, nameOf(option.id), optionsOf(option.id)});
    }
  } else if (compare == "additive") {
    wanted.front().id = "affine", wanted.front().name = trf("c = {:g}", options.bound);
    wanted.push_back({"additive", fmt::format("c = {}", 0), options});
    wanted.back().options.bound = 0;
  }
  std::vector<WantedFlow> made;
  for (const Wanted& one : wanted) {
    auto flow = flows::ImageFlow::make(one.options, seed_);
    if (!flow) return flow.error();
    made.push_back({one.id, one.name, std::make_shared<flows::ImageFlow>(*std::move(flow))});
  }
  return made;
}

std::string RealNvpPictures::remedy() const {
  return trf("Lower the scale bound {:.3g} or the learning rate {:.3g}", imageFlow().options().bound,
             runs_.front().trainer.options().optimizer.learningRate);
}

// The upper row of the panel of masks is painted on where it shows the painted one; what the next coupling moves is its other half.
Changes RealNvpPictures::pointer(const PointerEvent& event, const Values& values) const {
  const auto cell = event.panel == "masks" && !runs_.empty() && imageFlow().options().painted ? maskCellAt(event.x, event.y) : std::nullopt;
  const bool own = std::get<std::string>(values.at("masks")) == "painted" && std::get<Asset>(values.at("weights")).path.empty();
  if (!cell || !own) return PictureFlowLab::pointer(event, values);
  if (event.kind != PointerEvent::Kind::press && event.kind != PointerEvent::Kind::drag) return {};
  return paintedCellSet(values, "mask", cell->index, event.alternate == cell->swapped);
}

std::optional<RealNvpPictures::MaskCell> RealNvpPictures::maskCellAt(double x, double y) const {
  const auto stages = maskedStages();
  if (x < 0 || y < 0 || y >= 1 || x >= static_cast<double>(stages.size())) return std::nullopt;
  const Stage& stage = flow().stages()[stages[static_cast<std::size_t>(x)]];
  if (stage.kind != Kind::checker) return std::nullopt;
  const auto cell = paintedCellAt(x, y, pictures_.side, maskGap);
  if (!cell) return std::nullopt;
  return MaskCell{*cell, stage.swapped};
}

Figure RealNvpPictures::figure() const {
  Figure figure;
  figure.title = tr("RealNVP: affine coupling");
  if (runs_.empty()) return figure;
  place(figure, stagePanel(), 0, 0, 3);
  place(figure, samplesPanel(), 0, 3, 3);
  place(figure, rowsPanel(), 0, 6, 3);
  place(figure, bitsPanel(), 0, 9, 3);
  place(figure, stripPanel(), 1, 0, 8);
  Panel masks = masksPanel();
  if (imageFlow().options().painted) {
    masks.note = tr("drag over a mask to let pixels pass; Alt: to move them");
    masks.handles.push_back({"paint", 0.5, 0.5, Handle::Kind::point, masks.note});  // without it a drag moves the view
  }
  place(figure, std::move(masks), 1, 8, 4);
  place(figure, volumesPanel(), 2, 0, 4);
  place(figure, exitsPanel(), 2, 4, 4);
  place(figure, inversePanel(), 2, 8, 4);
  figure.rowWeights = {1.25f, 0.9f, 0.9f};
  return figure;
}

}  // namespace orrery::generative
