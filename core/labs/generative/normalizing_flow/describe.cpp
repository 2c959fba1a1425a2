// What the lab normalizing-flow offers: its parameters, presets and views.

#include "core/labs/generative/normalizing_flow/lab.h"
#include "core/labs/generative/shared/plane_flow_file.h"
#include "core/labs/generative/shared/stated_network.h"

namespace orrery::generative {

namespace {

const std::string& textOf(const Values& values, std::string_view id) { return std::get<std::string>(values.find(id)->second); }
bool planeInHand(const Values& values) { return textOf(values, "family") == "hand-planar"; }
bool centreInHand(const Values& values) { return textOf(values, "family") == "hand-radial"; }
bool saved(const Values& values) { return textOf(values, "family") == "saved"; }
bool inChain(const Values& values) { return !planeInHand(values) && !centreInHand(values); }
bool chained(const Values& values) { return inChain(values) && !saved(values); }
bool continuous(const Values& values) { return textOf(values, "family") == "continuous"; }
bool dropped(const Values& values) { return textOf(values, "family") == "dropped"; }
bool maybeContinuous(const Values& values) { return continuous(values) || saved(values); }
bool traced(const Values& values) { return maybeContinuous(values) || dropped(values); }
bool solved(const Values& values) { return continuous(values) || dropped(values) || textOf(values, "family") == "diffusion"; }
bool flowing(const Values& values) { return solved(values) || saved(values); }
bool networked(const Values& values) { return continuous(values) || textOf(values, "family") == "coupling"; }
bool trained(const Values& values) { return inChain(values) && !dropped(values) && textOf(values, "family") != "diffusion"; }
bool reversing(const Values& values) { return !inChain(values) || (trained(values) && textOf(values, "objective") == "reverse"); }

// The user's network, taken for a velocity along the straight path unless told otherwise.
std::vector<Parameter> networkParameters() {
  std::vector<Parameter> parameters = planeNetworkParameters(dropped);
  for (Parameter& p : parameters) {
    p.group = "Flow";
    if (p.id == "prediction") p.initial = std::string("velocity");
    if (p.id == "schedule") p.initial = std::string("flow");
    if (p.id == "told-time") p.initial = std::string("unit");
  }
  return parameters;
}

}  // namespace

LabEntry NormalizingFlow::describe() {
  using namespace std::string_literals;
  const auto whole = [](std::int64_t v) { return Value(v); };
  LabEntry entry;
  entry.id = "generative/normalizing-flow";
  entry.title = "Normalizing flows";
  entry.summary = "Chains of invertible maps, and what they cannot tear";
  entry.parameters = planeSceneParameters("ring8");
  const auto append = [&](std::vector<Parameter> more) { entry.parameters.insert(entry.parameters.end(), more.begin(), more.end()); };
  append({
      {"family", "Family", "What one layer of the chain is.", "Flow", "both"s,
       Choice{{{"planar", "Planar"},
               {"radial", "Radial"},
               {"both", "Planar and radial"},
               {"coupling", "Affine coupling"},
               {"continuous", "Continuous (ODE)"},
               {"dropped", "Your velocity network (ODE)"},
               {"saved", "A trained flow of yours"},
               {"diffusion", "Diffusion (ODE of the exact score)"},
               {"hand-planar", "One plane, by hand"},
               {"hand-radial", "One centre, by hand"}}}},
      {"objective", "Objective", "Data told best, or samples of the flow where an energy is low.", "Flow", "nll"s,
       Choice{{{"nll", "Likelihood of data"}, {"reverse", "Reverse KL to an energy"}}}, "", trained},
      {"energy", "Energy", "What the samples are to fill: −ln of the scene's density, or U1 to U4 of Rezende and Mohamed.", "Flow", "u1"s,
       Choice{{{"scene", "The scene's density"},
               {"u1", "U1: ring with two modes"},
               {"u2", "U2: wave"},
               {"u3", "U3: wave that splits"},
               {"u4", "U4: wave that leaves"}}},
       "", reversing},
      {"layers", "Layers K", "Length of the chain; of a continuous flow or a diffusion, the steps of its solver.", "Flow", whole(16),
       Integer{1, 64}, "", chained},
      {"width", "Hidden width", "Units per hidden layer of a coupling's or the velocity's network.", "Flow", whole(64),
       Integer{16, 512, true}, "", networked},
      {"solver", "Solver", "How one step follows the velocity; its calls per step are in brackets.", "Flow", "midpoint"s,
       Choice{{{"euler", "Euler (1)"}, {"midpoint", "Midpoint (2)"}, {"rk4", "Runge–Kutta 4 (4)"}}}, "", solved},
      {"evaluation", "Looked at with", "What solves the flow for pictures and measurements; training always takes its own steps.",
       "Picture", "steps"s, Choice{{{"steps", "The solver's own steps"}, {"rk45", "Dormand–Prince 5(4), to a tolerance"}}}, "", flowing},
      {"tolerance", "Tolerance", "Absolute and relative error of one step, from which its length follows.", "Picture", 1e-4,
       LogReal{1e-6, 1e-1}, "", [](const Values& v) { return flowing(v) && textOf(v, "evaluation") == "rk45"; }},
      {"trace", "Trace",
       "The divergence of the velocity, in training or of your network: exact, or Hutchinson's estimate from one random probe per row.",
       "Flow", "exact"s, Choice{{{"exact", "Exact"}, {"hutchinson", "Hutchinson's estimate"}}}, "", traced},
      {"energy-penalty", "Energy penalty λ", "Weight of the integral of |v|² in the loss: straighter ways, fewer steps.", "Flow", 0.01,
       Real{0, 1, 0.005}, "", maybeContinuous},
      {"hand-w1", "Direction w, x", "Across the plane; drag it. The longer, the steeper.", "By hand", 0.0, Real{-5, 5, 0.01}, "",
       planeInHand},
      {"hand-w2", "Direction w, y", "Across the plane; drag it. The longer, the steeper.", "By hand", 2.0, Real{-5, 5, 0.01}, "",
       planeInHand},
      {"hand-u1", "Push u, x", "Where points beyond the plane go; drag it.", "By hand", 0.0, Real{-5, 5, 0.01}, "", planeInHand},
      {"hand-u2", "Push u, y", "Where points beyond the plane go; drag it.", "By hand", 1.0, Real{-5, 5, 0.01}, "", planeInHand},
      {"hand-b", "Offset b", "Moves the plane along its direction; drag it.", "By hand", 0.0, Real{-5, 5, 0.01}, "", planeInHand},
      {"hand-x", "Centre x", "Of the pull; drag it.", "By hand", 0.0, Real{-5, 5, 0.01}, "", centreInHand},
      {"hand-y", "Centre y", "Of the pull; drag it.", "By hand", 0.0, Real{-5, 5, 0.01}, "", centreInHand},
      {"hand-alpha", "Radius α", "How far it reaches; drag it.", "By hand", 1.0, Real{-5, 5, 0.01}, "", centreInHand},
      {"hand-beta", "Strength β", "Away from the centre, or towards it; more than −α. Drag it.", "By hand", 2.0, Real{-5, 5, 0.01}, "",
       centreInHand},
  });
  Parameter own = ownFlowParameter();
  own.visible = saved;
  append({std::move(own)});
  append(networkParameters());
  append(trainingParameters(1500, 1e-2, 1024));
  append(pictureParameters("volume"));
  append({{"lower-left", "Lower left", "What the lower left panel shows.", "Picture", "strip"s,
           Choice{{{"strip", "Layer by layer"}, {"table", "Flow against diffusion"}}}},
          {"lower-right", "Lower right", "What the lower right panel shows.", "Picture", "bridge"s,
           Choice{{{"bridge", "Between two blobs"}, {"inverse", "Error of the inverse"}}}}});
  append({seedParameter()});
  entry.presets = {
      {"one-plane",
       "One plane, by hand",
       "Drag the plane, its direction and its push: mass is squeezed or stretched along a line, and nothing else changes.",
       {{"family", "hand-planar"s},
        {"hand-w1", 2.5},
        {"hand-w2", 0.0},
        {"hand-u1", 1.6},
        {"hand-u2", 0.0},
        {"direction", "to-data"s},
        {"way", 0.0}}},
      {"one-centre",
       "One centre, by hand",
       "Drag the centre and the two rings: every point moves along its ray, away from the centre or towards it.",
       {{"family", "hand-radial"s}, {"hand-alpha", 0.6}, {"hand-beta", 2.4}, {"direction", "to-data"s}, {"way", 0.0}}},
      {"learnt-plane",
       "One plane, learnt",
       "A single ridge closes the gap between two blobs: every point moves along one vector, and nothing else changes.",
       {{"family", "planar"s},
        {"layers", whole(1)},
        {"scene", "two-deltas"s},
        {"noise", 0.25},
        {"learning-rate", 0.03},
        {"steps", whole(400)}}},
      {"ring",
       "Thirty-two planes on a ring",
       "The disc opens but never tears: look at the density between the blobs.",
       {{"family", "planar"s}, {"layers", whole(32)}}},
      {"centres", "Radial only", "Sixteen centres that pull or push.", {{"family", "radial"s}, {"scene", "tri"s}}},
      {"coupling",
       "Six couplings instead",
       "The same target with networks inside the layers, one axis at a time: bridges all the same.",
       {{"family", "coupling"s}, {"layers", whole(6)}, {"learning-rate", 5e-3}, {"batch", whole(512)}, {"steps", whole(1000)}}},
      {"continuous",
       "Continuous flow",
       "One velocity field, trained along eight steps of fourth order and looked at to a tolerance: nothing about the network has to be "
       "invertible.",
       {{"family", "continuous"s},
        {"layers", whole(8)},
        {"solver", "rk4"s},
        {"evaluation", "rk45"s},
        {"tolerance", 1e-5},
        {"learning-rate", 5e-3},
        {"batch", whole(256)},
        {"steps", whole(1000)}}},
      {"straightened",
       "Continuous flow, straightened",
       "The same flow with a price on its energy: nearly the same density along shorter, straighter ways.",
       {{"family", "continuous"s},
        {"layers", whole(8)},
        {"solver", "rk4"s},
        {"evaluation", "rk45"s},
        {"tolerance", 1e-5},
        {"energy-penalty", 0.1},
        {"learning-rate", 5e-3},
        {"batch", whole(256)},
        {"steps", whole(1000)}}},
      {"energy",
       "Towards an energy",
       "No data: samples of the flow are pushed to where U1 is low, and kept apart by the volume. The other divergence tells what they "
       "miss.",
       {{"objective", "reverse"s},
        {"energy", "u1"s},
        {"family", "planar"s},
        {"layers", whole(16)},
        {"batch", whole(512)},
        {"steps", whole(2000)},
        {"direction", "to-data"s},
        {"way", 0.0}}},
      {"diffusion",
       "Flow against diffusion",
       "The same target by the probability-flow ODE of a diffusion with the exact score: bridges exponentially thin, many calls. The "
       "table's "
       "cells lead to the other side.",
       {{"family", "diffusion"s}, {"solver", "rk4"s}, {"layers", whole(24)}, {"lower-left", "table"s}, {"way", 0.5}}},
  };
  entry.views = {{"layers", "Cloud and grid on their way"}, {"density", "The model's density"},     {"samples", "Samples over data"},
                 {"likelihood", "Likelihood and entropy"},  {"volumes", "Volume change per layer"}, {"strip", "Layer by layer"},
                 {"bridge", "Between two blobs"},           {"inverse", "Error of the inverse"},    {"table", "Flow against diffusion"}};
  entry.accepts = {planeSceneAcceptance(), pointNetworkAcceptance({{"family", "dropped"s}}, 45, 2),
                   anyPlaneFlowAcceptance({{"family", "saved"s}})};
  entry.files = "safetensors";
  entry.make = [] { return std::make_unique<NormalizingFlow>(); };
  return entry;
}

}  // namespace orrery::generative
