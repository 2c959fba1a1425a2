// What the lab sd3 offers: its parameters, presets and views.

#include <algorithm>

#include "core/diffusion/names.h"
#include "core/diffusion/time_law.h"
#include "core/labs/generative/sd3/lab.h"

namespace orrery::generative {

namespace {

const std::string& textOf(const Values& values, const char* id) { return std::get<std::string>(values.find(id)->second); }
bool fileGiven(const Values& values, const char* id) { return !std::get<Asset>(values.find(id)->second).path.empty(); }

// Whether a group of panels is shown: in the overview every part is.
template <std::size_t n>
bool showsOne(const Values& values, const char* const (&parts)[n]) {
  const std::string& show = textOf(values, "show");
  return show == "overview" || std::any_of(std::begin(parts), std::end(parts), [&](const char* part) { return show == part; });
}
bool times(const Values& v) { return showsOne(v, {"times"}); }
bool shift(const Values& v) { return showsOne(v, {"shift"}); }
bool block(const Values& v) { return showsOne(v, {"block"}); }
bool guidance(const Values& v) { return showsOne(v, {"guidance"}); }
bool codec(const Values& v) { return showsOne(v, {"codec", "block"}); }
bool positions(const Values& v) { return showsOne(v, {"positions", "block"}); }
bool picked(const Values& v) { return showsOne(v, {"positions"}); }
bool sized(const Values& v) { return showsOne(v, {"positions", "shift"}) && !fileGiven(v, "picture"); }
bool logitNormal(const Values& v) {
  return showsOne(v, {"times", "shift"}) && (textOf(v, "show") == "shift" || textOf(v, "law") == "logit-normal");
}
bool mode(const Values& v) { return times(v) && textOf(v, "law") == "mode"; }
bool shifted(const Values& v) { return showsOne(v, {"shift", "guidance"}); }
bool noising(const Values& v) { return textOf(v, "show") == "shift"; }
bool made(const Values& v) { return block(v) && !fileGiven(v, "weights"); }
bool fromFile(const Values& v) { return block(v) && fileGiven(v, "weights"); }
bool classed(const Values& v) { return guidance(v) && textOf(v, "classes") != "pair"; }

// Functions, because the registration of the lab runs before this file's own statics exist.
Choice laws() {
  Choice choice;
  for (const auto& law : diffusion::timeLaws()) choice.options.push_back({law.id, law.title});
  return choice;
}
Choice samplers() {
  Choice choice;
  for (const diffusion::Name& name : diffusion::samplerNames()) {
    if (name.id != "ddim-inversion") choice.options.push_back({name.id, name.title});
  }
  return choice;
}

bool hasTensor(const FileReport& report, std::string_view ending) {
  return std::any_of(report.tensors.begin(), report.tensors.end(), [&](const TensorSummary& t) {
    return t.name.size() >= ending.size() && std::string_view(t.name).substr(t.name.size() - ending.size()) == ending;
  });
}

}  // namespace

LabEntry Sd3::describe() {
  LabEntry entry;
  entry.id = "generative/sd3";
  entry.title = "Stable Diffusion 3 mechanisms";
  entry.summary = "Times, shift, joint attention, positions, latents, guidance: each change in isolation";
  using namespace std::string_literals;
  const auto whole = [](std::int64_t v) { return Value(v); };
  entry.parameters = {
      {"show", "Show", "One panel of every change, or one change in full.", "View", "overview"s,
       Choice{{{"overview", "All six changes"},
               {"times", "Training times"},
               {"shift", "Resolution shift"},
               {"block", "Joint attention block"},
               {"positions", "Positions"},
               {"codec", "Latent channels"},
               {"guidance", "Guidance"}}}},
      {"law", "Timestep law", "Which times training draws.", "Training times", "logit-normal"s, laws(), "", times},
      {"mean", "Mean of the logit m", "Above 0 draws more noise; drag its line.", "Training times", 0.0, Real{-2, 2, 0.01}, "",
       logitNormal},
      {"deviation", "Deviation of the logit s", "Beyond √2 the density has two peaks at m = 0.", "Training times", 1.0, Real{0.1, 3, 0.01},
       "", logitNormal},
      {"mode-scale", "Mode scale s", "Above 0 draws the middle more often; invertible from −1 to 1.7519.", "Training times", 1.29,
       Real{-2, 2.5, 0.01}, "", mode},
      {"draws", "Times drawn", "For the histogram.", "Training times", whole(1 << 16), Integer{1024, 1 << 22, true}, "", times},
      {"shift", "Shift κ", "t → κ t / (1 + (κ − 1) t): from n to m pixels κ = √(m / n); drag a handle.", "Resolution", 3.0,
       Real{0.25, 12, 0.05}, "", shifted},
      {"base", "Base side", "Side of the square of n pixels the times were chosen for.", "Resolution", whole(256), Integer{16, 4096, true},
       "px", shift},
      {"columns", "Picture width", "In tokens of 16 × 16 pixels: 64 are 1024 pixels.", "Resolution", whole(64), Integer{1, 512, true},
       "tokens", sized},
      {"rows", "Picture height", "In tokens of 16 × 16 pixels.", "Resolution", whole(64), Integer{1, 512, true}, "tokens", sized},
      {"time", "Time of the noised pictures t", "How noisy the pictures are before the shift.", "Resolution", 0.35, Real{0.02, 0.98, 0.01},
       "", noising},
      {"weights", "Weights", "A safetensors file with joint_blocks.i.*; none: random weights.", "Joint attention", Asset{},
       FileWell{{"safetensors"}, false}, "", block},
      {"block", "Block", "Which joint block of the file.", "Joint attention", whole(0), Integer{0, 127}, "", fromFile},
      {"embeddings", "Embeddings", "npz or safetensors with text [tokens, D], image [tokens, D] and y [D], or some of them; none: made up.",
       "Joint attention", Asset{}, FileWell{{"npz", "safetensors"}, false}, "", block},
      {"depth", "Block depth code d", "Width 64 d, d heads.", "Joint attention", whole(4), Integer{1, 24}, "", made},
      {"text-tokens", "Text tokens L_c", "Random embeddings, without places.", "Joint attention", whole(16), Integer{0, 333}, "", block},
      {"image-tokens", "Image tokens L_x", "Patches of 2 × 2 latents of the picture, with their places.", "Joint attention", whole(64),
       Integer{4, 4096, true}, "", block},
      {"qk-norm", "Norm of q and k", "Before the product, in each head.", "Joint attention", "rms"s,
       Choice{{{"off", "None"}, {"rms", "RMS norm"}, {"layer", "Layer norm"}, {"file", "As the file says"}}}, "", block},
      {"weight-scale", "Weight scale", "Multiplies the weights of queries and keys, as training may let them grow.", "Joint attention", 1.0,
       LogReal{0.1, 30}, "", block},
      {"alike", "Queries and keys alike", "How much of the key weights is the query weights: equal tokens then attend to each other.",
       "Joint attention", 0.35, Real{0, 1, 0.01}, "", made},
      {"gates", "Gates", "Multiplies all gates: at 0 the block passes its input on.", "Joint attention", 1.0, Real{0, 2, 0.01}, "", block},
      {"last-block", "Last block", "Its text side gives keys and values but has no output.", "Joint attention", false, Switch{}, "", made},
      {"head", "Head shown", "0 is the mean of all.", "Joint attention", whole(0), Integer{0, 64}, "", block},
      {"query", "Token shown", "A row of the map: text tokens first; drag its line.", "Joint attention", whole(34), Integer{0, 5120}, "",
       block},
      {"positions", "Positions", "How a token is told its place.", "Positions", "crop"s,
       Choice{{{"none", "None"}, {"raster", "1-D raster"}, {"crop", "2-D crop"}, {"rescale", "2-D rescale"}}}, "", positions},
      {"table", "Table side", "Places of the position table along a side.", "Positions", whole(192), Integer{4, 512}, "tokens", positions},
      {"trained", "Trained side", "Tokens along a side of the pictures in training.", "Positions", whole(64), Integer{2, 512}, "tokens",
       positions},
      {"token-row", "Picked token: row", "Its share of the way down; drag it.", "Positions", 0.35, Real{0, 1, 0.001}, "", picked},
      {"token-column", "Picked token: column", "Its share of the way across; drag it.", "Positions", 0.3, Real{0, 1, 0.001}, "", picked},
      {"channels", "Latent channels c", "Numbers kept of each 8 × 8 × 3 patch.", "Latent channels", whole(16), Integer{1, 64}, "", codec},
      {"picture", "Picture", "PNG or JPEG: coded, and positions for its shape; none: ShapeWorld.", "Latent channels", Asset{},
       FileWell{{"image"}, false}, "",
       [](const Values& v) {
         return showsOne(v, {"codec", "block", "positions"});
       }},
      {"fit", "Sides that are no multiples of 16", "Refuse such a picture or cut it.", "Latent channels", "exact"s,
       Choice{{{"exact", "Refuse"}, {"cut", "Cut the picture"}}}, "",
       [](const Values& v) {
         return showsOne(v, {"codec", "block", "positions"});
       }},
      {"classes", "Classes", "A labelled mixture: each blob is a class; or one Gaussian against another.", "Guidance", "ring8"s,
       Choice{{{"ring8", "Ring of 8"}, {"tri", "Three blobs"}, {"grid25", "Grid of 25"}, {"pair", "Two Gaussians, closed form"}}}, "",
       guidance},
      {"class", "Class", "Which one is asked for.", "Guidance", whole(1), Integer{0, 24}, "", classed},
      {"guidance", "Guidance w", "u = u_none + w (u_class − u_none): 0 ignores the class, 1 is the class alone; drag its line.", "Guidance",
       5.0, Real{0, 15, 0.1}, "", guidance},
      {"sampler", "Sampler", "The same as on the sampler bench, on the shifted grid.", "Guidance", "euler"s, samplers(), "", guidance},
      {"steps", "Steps", "Of the sampler.", "Guidance", whole(28), Integer{1, 512, true}, "", shifted},
      {"particles", "Particles", "How many start together.", "Guidance", whole(1024), Integer{64, 1 << 16, true}, "", guidance},
      {"moment", "Shown after", "Share of the steps taken: 0 is noise, 1 the samples.", "Guidance", 1.0, Real{0, 1, 0.01}, "", guidance},
      {"seed", "Seed", "All random numbers follow from it.", "Randomness", whole(7), Seed{}},
  };
  entry.presets = {
      {"middle-matters",
       "Middle matters",
       "At both ends a straight line of x_t says all there is to say: uniform times spend half of their samples there, logit-normal ones "
       "in between.",
       {{"show", "times"s}}},
      {"shift-three",
       "Shift 1 against 3 at 1024²",
       "Times shifted by 3: half of the steps move above t = 0.75, where 1024² pixels lose what 256² lose at smaller t.",
       {{"show", "shift"s}, {"shift", 3.0}}},
      {"logits-run-away",
       "Logits run away",
       "Weights of queries and keys ten times as large, without norm: logits in the hundreds, and each token looks at one other.",
       {{"show", "block"s}, {"weight-scale", 10.0}, {"qk-norm", "off"s}}},
      {"over-guided",
       "Over-guided",
       "At w = 12 samples are certain of their class and leave the data.",
       {{"show", "guidance"s}, {"guidance", 12.0}}},
      {"joint-block",
       "Text and image in one attention",
       "The four quadrants of the joint attention map; both sides have their own weights.",
       {{"show", "block"s}}},
      {"another-shape",
       "Another shape of picture",
       "Numbers row by row fall apart when the picture is wide; two-dimensional places keep their neighbours.",
       {{"show", "positions"s}, {"columns", whole(96)}, {"rows", whole(40)}}},
      {"four-channels",
       "Four channels",
       "Four numbers for 192 keep colours and lose edges; go to 16 and they come back.",
       {{"show", "codec"s}, {"channels", whole(4)}}},
      {"two-gaussians",
       "Guidance in closed form",
       "Between two Gaussians guidance moves the mean to w m and keeps the spread.",
       {{"show", "guidance"s}, {"classes", "pair"s}, {"guidance", 3.0}, {"steps", whole(64)}}},
  };
  entry.views = {{"density", "Training times"},         {"ruler", "Resolution shift"}, {"joint", "Joint attention"},
                 {"similarity", "Position similarity"}, {"pictures", "Latent codec"},  {"guided", "Guided samples"}};
  Acceptance weights;
  weights.kinds = "Stable Diffusion 3 weights as safetensors";
  weights.parameter = "weights";
  weights.also = {{"show", "block"s}, {"qk-norm", "file"s}};
  weights.score = [](const FileReport& report) {
    return report.kind == "safetensors" && hasTensor(report, "joint_blocks.0.x_block.attn.qkv.weight") ? 95 : 0;
  };
  Acceptance embeddings;
  embeddings.kinds = "token embeddings as npz or safetensors: text, image, y";
  embeddings.parameter = "embeddings";
  embeddings.also = {{"show", "block"s}};
  embeddings.score = [](const FileReport& report) {
    const bool named = std::any_of(report.tensors.begin(), report.tensors.end(),
                                   [](const TensorSummary& t) { return t.name == "text" || t.name == "image"; });
    return (report.kind == "safetensors" || report.kind == "npz") && named && report.tensors.size() <= 3 ? 60 : 0;
  };
  Acceptance picture;
  picture.kinds = "a picture (PNG or JPEG)";
  picture.parameter = "picture";
  picture.also = {{"show", "codec"s}, {"fit", "cut"s}};
  picture.score = [](const FileReport& report) { return report.kind == "image" ? 35 : 0; };
  entry.accepts = {weights, embeddings, picture};
  entry.make = [] { return std::make_unique<Sd3>(); };
  return entry;
}

}  // namespace orrery::generative
