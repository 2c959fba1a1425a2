// What the softmax attention lab offers: its parameters, presets, views and the files it takes.

#include <algorithm>

#include "core/labs/attention/softmax_attention/lab.h"

namespace orrery::attention {
namespace {

bool isOneOf(const Values& values, const char* id, std::initializer_list<std::string_view> options) {
  const auto found = values.find(id);
  if (found == values.end()) return false;
  const auto* text = std::get_if<std::string>(&found->second);
  return text != nullptr && std::find(options.begin(), options.end(), *text) != options.end();
}

const TensorSummary* findTensor(const FileReport& report, std::initializer_list<std::string_view> names) {
  for (const TensorSummary& tensor : report.tensors) {
    if (std::find(names.begin(), names.end(), tensor.name) != names.end()) return &tensor;
  }
  return nullptr;
}

}  // namespace

LabEntry SoftmaxAttentionLab::describe() {
  LabEntry lab;
  lab.id = "attention/softmax-attention";
  lab.title = "Softmax attention";
  lab.summary = "Heads, masks, temperature, entropy, rollout";
  const auto usesWidth = [](const Values& v) { return isOneOf(v, "source", {"random", "text"}); };
  const auto usesText = [](const Values& v) { return isOneOf(v, "source", {"induction", "text", "model"}); };
  const auto notInduction = [](const Values& v) { return !isOneOf(v, "source", {"induction"}); };
  lab.parameters = {
      {"source", "Source", "Where queries, keys and values come from", "Input", std::string("induction"),
       Choice{{{"induction", "Induction circuit"},
               {"model", "Text, trained GPT-2"},
               {"text", "Text, random weights"},
               {"random", "Random"},
               {"file", "File with q, k, v"}}}},
      {"text", "Text", "Each byte or character is one token", "Input", std::string("abcdefghabcdefgh"), Text{false, 4096}, "", usesText},
      {"tokens", "Tokens", "How text is cut", "Input", std::string("bytes"),
       Choice{{{"bytes", "Bytes"}, {"characters", "Characters"}, {"ids", "Numbers"}}}, "", usesText},
      {"model", "Model", "A GPT-2 (safetensors, config.json beside it); none is the small one that comes with Orrery, over bytes", "Input",
       Asset{}, FileWell{{"safetensors"}, false}, "", [](const Values& v) { return isOneOf(v, "source", {"model"}); }},
      {"file", "File", "A .npz or .safetensors file with q, k, v of shape [heads, tokens, width]", "Input", Asset{},
       FileWell{{"npz", "safetensors"}, false}, "", [](const Values& v) { return isOneOf(v, "source", {"file"}); }},
      {"length", "Length n", "Number of tokens", "Input", std::int64_t{48}, Integer{4, 4096, true}, "tokens",
       [](const Values& v) { return isOneOf(v, "source", {"random"}); }},
      {"seed", "Seed", "Of the random tokens and weights", "Input", std::int64_t{1}, Seed{}, "", usesWidth},
      {"heads", "Heads H", "Heads per layer", "Layers", std::int64_t{4}, Integer{1, 32}, "", usesWidth},
      {"head-width", "Head width d_h", "Components of a query", "Layers", std::int64_t{32}, Integer{8, 128}, "", usesWidth},
      {"layers", "Layers L", "Attention, residual and normalisation, repeated", "Layers", std::int64_t{2}, Integer{1, 12}, "", usesWidth},
      {"strength", "Strength β", "How sharply the two heads of the circuit match", "Layers", 20.0, LogReal{0.1, 100}, "",
       [](const Values& v) { return isOneOf(v, "source", {"induction"}); }},
      {"temperature", "Temperature τ", "Divides the scores: small is sharp, large is flat", "Scores", 1.0, LogReal{0.01, 100}},
      {"scale", "Divide by √d_h", "Without it, scores of random vectors have variance d_h", "Scores", true, Switch{}, "", notInduction},
      {"normalize", "Normalise q and k", "Each query and key is divided by its root mean square", "Scores", false, Switch{}, "", usesWidth},
      {"gain", "Gain g", "Of the normalised queries and keys: scores stay within g² √d_h / τ", "Scores", 1.0, Real{0.1, 4}, "", usesWidth},
      {"mask", "Mask", "Which keys a query may see", "Mask", std::string("causal"),
       Choice{
           {{"none", "None"}, {"causal", "Causal"}, {"padding", "Padding"}, {"prefix", "Prefix"}, {"blocks", "Blocks"}, {"tree", "Tree"}}},
       "", notInduction},
      {"valid", "Valid tokens", "Tokens from here on are padding", "Mask", std::int64_t{32}, Integer{0, 8192}, "tokens",
       [](const Values& v) { return isOneOf(v, "mask", {"padding"}); }},
      {"prefix", "Prefix length p", "The first tokens are seen by all", "Mask", std::int64_t{8}, Integer{0, 8192}, "tokens",
       [](const Values& v) { return isOneOf(v, "mask", {"prefix"}); }},
      {"block", "Block length", "Documents packed one behind the other", "Mask", std::int64_t{12}, Integer{1, 8192}, "tokens",
       [](const Values& v) { return isOneOf(v, "mask", {"blocks"}); }},
      {"parents", "Parents", "Parent of each token, -1 for a root; tokens behind the list follow the one before", "Mask",
       std::string("-1 0 0 1 1 2 2"), Text{false, 1 << 16}, "", [](const Values& v) { return isOneOf(v, "mask", {"tree"}); }},
      {"layer", "Layer shown", "Beyond the last layer means the last", "View", std::int64_t{12}, Integer{1, 12}, "", notInduction},
      {"head", "Head shown", "The enlarged map; click a small one", "View", std::int64_t{2}, Integer{1, 128}},
      {"query", "Query row i", "The selected token, from 0; beyond the last means the last", "View", std::int64_t{8191}, Integer{0, 8191}},
      {"log-color", "Logarithmic colour", "Shows small weights", "View", false, Switch{}},
      {"nudge-key", "Nudged key j", "The score that is moved in the selected row, from 0", "View", std::int64_t{0}, Integer{0, 8191}},
      {"nudge", "Nudge", "Added to that score: drag a bar up or down and see its row renormalise", "View", 0.0, Real{-20, 20}, "nats"},
      {"residual", "Residual weight α", "Share of a token that passes each layer untouched", "Rollout", 0.5, Real{0, 0.99}},
      {"fusion", "Fusion", "How heads are joined", "Rollout", std::string("mean"),
       Choice{{{"mean", "Mean"}, {"max", "Largest"}, {"min", "Smallest"}}}},
      {"discard", "Discard", "Share of the smallest weights that is dropped", "Rollout", 0.0, Real{0, 0.95}},
  };
  lab.presets = {
      {"copy-machine",
       "Copy machine",
       "The first head looks one token back; the second jumps to what came after the last time",
       {{"source", std::string("induction")}, {"text", std::string("abcdefghabcdefgh")}, {"strength", 20.0}, {"head", std::int64_t{2}}}},
      {"trained-network",
       "A trained network",
       "Real heads of the small GPT-2 that comes with Orrery; cool or heat its attention and see what it expects",
       {{"source", std::string("model")},
        {"text", std::string("attention is a weighted mean of values")},
        {"layer", std::int64_t{2}},
        {"head", std::int64_t{1}}}},
      {"why-divide",
       "Why divide by √d",
       "Without the division wide heads collapse to one key; switch it on and they spread",
       {{"source", std::string("random")},
        {"head-width", std::int64_t{128}},
        {"scale", false},
        {"mask", std::string("none")},
        {"layers", std::int64_t{1}}}},
      {"hot-and-cold",
       "Hot and cold",
       "Scrub the temperature from 100 to 0.01: from all keys alike to one",
       {{"source", std::string("text")}, {"text", std::string("the quick brown fox jumps over the lazy dog")}, {"temperature", 100.0}}},
      {"twelve-uniform-layers",
       "Twelve uniform layers",
       "Hot attention mixes evenly; the rollout tends to the mean at rate 2 to the −L",
       {{"source", std::string("random")}, {"layers", std::int64_t{12}}, {"temperature", 100.0}, {"mask", std::string("none")}}},
  };
  lab.views = {{"heads", "Heads"},      {"map", "Enlarged map"}, {"rollout", "Rollout"}, {"tokens", "Tokens and links"},
               {"row", "Selected row"}, {"entropy", "Entropy"}};
  Acceptance accepts;
  accepts.kinds = "npz or safetensors with q, k, v";
  accepts.parameter = "file";
  accepts.also = {{"source", std::string("file")}};
  accepts.score = [](const FileReport& report) {
    if (report.kind != "npz" && report.kind != "safetensors") return 0;
    return findTensor(report, {"q", "Q"}) != nullptr && findTensor(report, {"k", "K"}) != nullptr &&
                   findTensor(report, {"v", "V"}) != nullptr
               ? 90
               : 0;
  };
  Acceptance network;
  network.kinds = "GPT-2 as safetensors";
  network.parameter = "model";
  network.also = {{"source", std::string("model")}};
  network.score = [](const FileReport& report) {
    if (report.kind != "safetensors") return 0;
    return findTensor(report, {"transformer.h.0.attn.c_attn.weight", "h.0.attn.c_attn.weight"}) != nullptr &&
                   findTensor(report, {"transformer.wte.weight", "wte.weight"}) != nullptr
               ? 95
               : 0;
  };
  lab.accepts = {accepts, network};
  lab.shaders = {"kernels/matmul"};  // the others are specialised to the widths in use, and compile when those are known
  lab.make = [] { return std::make_unique<SoftmaxAttentionLab>(); };
  return lab;
}

}  // namespace orrery::attention
