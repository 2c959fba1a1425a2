// How a library's name is looked up: the text is taken apart into words and a call's arguments, words are matched with what is registered, and
// arguments become options or a grid.

#include "core/diffusion/library_names.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "core/base/text.h"

namespace orrery::diffusion {

namespace {

struct Argument {
  std::string key, value;  // no key: by position; no value: a switch that is on
  bool used = false;
};

std::string trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return std::string(text);
}

// Parts between separators that stand outside brackets.
std::vector<std::string> parts(std::string_view text, char separator) {
  std::vector<std::string> found(1);
  int depth = 0;
  for (const char c : text) {
    if (c == '(' || c == '[' || c == '{') ++depth;
    if (c == ')' || c == ']' || c == '}') --depth;
    if (c == separator && depth <= 0) {
      found.emplace_back();
    } else {
      found.back() += c;
    }
  }
  for (std::string& part : found) part = trimmed(part);
  std::erase_if(found, [](const std::string& part) { return part.empty(); });
  return found;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

// What names are compared by: letters and digits, "++" as "pp", without what libraries put around a name.
std::string core(std::string_view name) {
  std::string text;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name.substr(i, 2) == "++") {
      text += "pp", ++i;
    } else if (std::isalnum(static_cast<unsigned char>(name[i])) || (static_cast<unsigned char>(name[i]) & 0x80)) {
      text += static_cast<char>(std::tolower(static_cast<unsigned char>(name[i])));
    }
  }
  for (const std::string_view prefix : {"sample", "getsigmas"})
    if (text.size() > prefix.size() && text.starts_with(prefix)) text.erase(0, prefix.size());
  for (const std::string_view suffix : {"scheduler", "gpu"})
    if (text.size() > suffix.size() && text.ends_with(suffix)) text.resize(text.size() - suffix.size());
  return text;
}

bool isOn(const std::string& value) {
  const std::string v = lower(value);
  return v != "false" && v != "0" && v != "0.0" && v != "none" && v != "off";
}

bool sameValue(const std::string& a, const std::string& b) {
  if (lower(a) == lower(b)) return true;
  char *endA = nullptr, *endB = nullptr;
  const double x = std::strtod(a.c_str(), &endA), y = std::strtod(b.c_str(), &endB);
  return !a.empty() && !b.empty() && *endA == 0 && *endB == 0 && x == y;
}

// "argument value", or a word alone.
Argument argumentOf(const std::string& text) {
  const auto space = text.find(' ');
  return space == std::string::npos ? Argument{text, ""} : Argument{text.substr(0, space), trimmed(text.substr(space + 1))};
}

Argument* findArgument(std::vector<Argument>& arguments, const std::string& needed) {
  const Argument wanted = argumentOf(needed);
  for (Argument& a : arguments) {
    const bool fits = wanted.value.empty() ? sameValue(a.value, wanted.key) || (core(a.key) == core(wanted.key) && isOn(a.value))
                                           : core(a.key) == core(wanted.key) && sameValue(a.value, wanted.value);
    if (fits) return &a;
  }
  return nullptr;
}

// One way to name a sampler or a grid.
struct Candidate {
  LibraryName name;
  const Sampler* sampler = nullptr;
  const Grid* grid = nullptr;
  bool own = false;  // our id or title
};

std::vector<Candidate> allCandidates() {
  std::vector<Candidate> all;
  for (const Sampler& s : registered<Sampler>()) {
    for (const std::string* names : {&s.diffusers, &s.kDiffusion, &s.comfy, &s.others})
      for (LibraryName& name : libraryNames(*names)) all.push_back({std::move(name), &s, nullptr, false});
    for (const std::string* name : {&s.id, &s.title}) all.push_back({{*name, {}, {}, {}}, &s, nullptr, true});
  }
  for (const Grid& g : registered<Grid>()) {
    for (LibraryName& name : libraryNames(g.otherNames)) all.push_back({std::move(name), nullptr, &g, false});
    for (const std::string* name : {&g.id, &g.title}) all.push_back({{*name, {}, {}, {}}, nullptr, &g, true});
  }
  return all;
}

// The best among the candidates of one kind that carry this name: all it needs is said, as much as possible of it, written as registered.
struct Match {
  const Candidate* best = nullptr;
  std::vector<const Candidate*> tied, lacking;  // others as good; those whose needs are not said
};

Match matched(const std::vector<Candidate>& all, const std::string& name, bool grids, std::vector<Argument>& arguments) {
  Match match;
  int best = -1;
  for (const Candidate& c : all) {
    if ((c.grid != nullptr) != grids || core(c.name.name) != core(name)) continue;
    if (!std::all_of(c.name.needed.begin(), c.name.needed.end(), [&](const std::string& n) { return findArgument(arguments, n); })) {
      match.lacking.push_back(&c);
      continue;
    }
    const int rank = 4 * static_cast<int>(c.name.needed.size()) + 2 * (lower(c.name.name) == lower(name) ? 1 : 0) + (c.own ? 0 : 1);
    if (rank > best) {
      best = rank;
      match.best = &c;
      match.tied.clear();
    } else if (rank == best && (c.sampler != match.best->sampler || c.grid != match.best->grid)) {
      match.tied.push_back(&c);
    }
  }
  return match;
}

// Edits between two names: insertions, removals, exchanges.
std::size_t edits(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t corner = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, corner + (a[i - 1] == b[j - 1] ? 0u : 1u)});
      corner = above;
    }
  }
  return row[b.size()];
}

std::string joined(const std::vector<std::string>& words, const char* between = ", ") {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

std::string nearOf(const std::vector<Candidate>& all, const std::string& name) {
  std::vector<std::pair<std::size_t, std::string>> found;
  for (const Candidate& c : all) {
    if (std::any_of(found.begin(), found.end(), [&](const auto& other) { return core(other.second) == core(c.name.name); })) continue;
    found.emplace_back(edits(core(name), core(c.name.name)), c.name.name);
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min<std::size_t>(4, found.size()); ++i) names.push_back(found[i].second);
  return joined(names);
}

std::string choicesOf(const std::vector<const Candidate*>& candidates) {
  std::vector<std::string> texts;
  for (const Candidate* c : candidates) texts.push_back(trf("{} is {}", c->name.shown(), tr(c->sampler ? c->sampler->title : c->grid->title)));
  return joined(texts, "; ");
}

// Words and arguments of a text as it is typed or pasted.
struct Taken {
  std::vector<std::string> words;
  std::vector<Argument> arguments;
};

std::string unquoted(std::string_view text) {
  std::string result = trimmed(text);
  std::erase_if(result, [](char c) { return c == '\'' || c == '"' || c == '`'; });
  return result;
}

void takeArguments(std::string_view inside, std::vector<Argument>& arguments) {
  for (const std::string& part : parts(inside, ',')) {
    const auto equals = part.find_first_of("=:");
    std::string value = unquoted(equals == std::string::npos ? part : part.substr(equals + 1));
    if (lower(value).find("inf") != std::string::npos) value = "500";  // the largest level there is
    arguments.push_back({equals == std::string::npos ? "" : unquoted(part.substr(0, equals)), value});
  }
}

void takeWords(std::string_view outside, Taken& taken) {
  std::string word;
  const auto end = [&] {
    // Of a path of names the last that says something: K.sampling.sample_heun, EulerDiscreteScheduler.from_config.
    for (const std::string_view method : {".from_config", ".from_pretrained"})
      if (word.ends_with(method)) word.resize(word.size() - method.size());
    const auto dot = word.rfind('.');
    if (dot != std::string::npos && dot > 0 && std::isalpha(static_cast<unsigned char>(word[dot - 1]))) word.erase(0, dot + 1);
    if (!word.empty()) taken.words.push_back(word);
    word.clear();
  };
  for (std::size_t i = 0; i < outside.size(); ++i) {
    const char c = outside[i];
    if (outside.substr(i, 2) == "++") {
      word += "++", ++i;
    } else if (std::isspace(static_cast<unsigned char>(c)) || std::string_view(",;+/|&'\"`)").find(c) != std::string_view::npos) {
      end();
    } else {
      word += c;
    }
  }
  end();
}

Taken takeApart(std::string_view text) {
  Taken taken;
  std::string outside;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] != '(') {
      outside += text[at++];
      continue;
    }
    std::size_t close = at + 1;
    for (int depth = 1; close < text.size(); ++close) {
      depth += text[close] == '(' ? 1 : text[close] == ')' ? -1 : 0;
      if (depth == 0) break;
    }
    // "DPM-Solver++(2M)", as papers and our titles write it, has no call's brackets.
    const std::string inside(text.substr(at + 1, close - at - 1));
    if (inside.size() <= 4 && !inside.empty() && std::isdigit(static_cast<unsigned char>(inside.front()))) {
      outside += inside;
    } else {
      takeArguments(inside, taken.arguments);
      outside += ' ';
    }
    at = close + 1;
  }
  // "scheduler = EulerDiscreteScheduler", "sampler_name=euler": what is assigned. "eta=0" outside a call: an argument.
  std::string rest;
  for (const std::string& piece : parts(outside, ' ')) {
    const auto equals = piece.find('=');
    if (equals != std::string::npos && equals > 0 && equals + 1 < piece.size()) {
      const std::string key = lower(piece.substr(0, equals));
      if (key.ends_with("scheduler") || key.starts_with("sampler")) {
        rest += piece.substr(equals + 1) + ' ';
      } else {
        takeArguments(piece, taken.arguments);
      }
    } else if (piece == "=") {
      rest.clear();
    } else {
      rest += piece + ' ';
    }
  }
  takeWords(rest, taken);
  return taken;
}

// Arguments of the libraries and the options they are here, by sampler or grid ("" = any, "~" = any that draws noise).
struct Translation {
  const char *argument, *option, *user;
};
constexpr Translation translations[] = {{"eta", "eta", "~"},
                                        {"tau", "eta", "sa-solver"},
                                        {"s_noise", "churn-noise", "edm"},
                                        {"s_noise", "noise-scale", "~"},
                                        {"s_churn", "churn", "edm"},
                                        {"s_tmin", "churn-from", "edm"},
                                        {"s_min", "churn-from", "edm"},
                                        {"s_tmax", "churn-to", "edm"},
                                        {"s_max", "churn-to", "edm"},
                                        {"solver_order", "unipc-order", "unipc"},
                                        {"solver_type", "unipc-variant", "unipc"},
                                        {"variant", "unipc-variant", "unipc"},
                                        {"solver_type", "sde-form", "dpm++2m-sde"},
                                        {"order", "lms-order", "lms"},
                                        {"ge_gamma", "gradient-gamma", "gradient-estimation"},
                                        {"correct_steps", "corrector-steps", "langevin-pc"},
                                        {"snr", "corrector-ratio", "langevin-pc"},
                                        {"rtol", "relative-tolerance", "dpm-adaptive"},
                                        {"atol", "absolute-tolerance", "dpm-adaptive"},
                                        {"rtol", "relative-tolerance", "rk45"},
                                        {"atol", "absolute-tolerance", "rk45"},
                                        {"rho", "poly-rho", "polyexponential"},
                                        {"rho", "rho", "karras"},
                                        {"alpha", "beta-shape", "beta"},
                                        {"beta", "beta-b", "beta"},
                                        {"shift", "shift", "flow-shift"},
                                        {"sigma_min", "sigma-min", ""},
                                        {"sigma_max", "sigma-max", ""},
                                        {"beta_schedule", "process", ""}};

const char* optionOf(const std::string& argument, const FromLibrary& taken) {
  for (const Translation& t : translations) {
    if (core(t.argument) != core(argument)) continue;
    const std::string_view user = t.user;
    if (user.empty() || (user == "~" && taken.sampler && taken.sampler->stochastic) || (taken.sampler && taken.sampler->id == user) ||
        (taken.grid && taken.grid->id == user))
      return t.option;
  }
  return nullptr;
}

// What a call may say without changing what its name means here. Other values of these make another sampler of it.
constexpr std::pair<const char*, const char*> meanings[] = {{"algorithm_type", "dpmsolver++"},
                                                            {"solver_order", "2"},
                                                            {"solver_type", "midpoint"},
                                                            {"variance_type", "fixed_small"}};

std::string processOf(const std::string& schedule) {
  const std::pair<const char*, const char*> known[] = {{"linear", "ddpm-linear"}, {"squaredcos_cap_v2", "cosine"}, {"scaled_linear", "scaled-linear"}};
  for (const auto& [theirs, ours] : known)
    if (schedule == theirs) return ours;
  return schedule;
}

// The grid that an argument switches on: use_karras_sigmas=True, timestep_spacing="trailing". `known`: whether it is one that could.
const Candidate* gridOf(const std::vector<Candidate>& all, const Argument& a, bool& known) {
  for (const Candidate& c : all) {
    if (c.grid == nullptr || c.own || a.key.empty()) continue;
    const std::string name = core(c.name.name);
    if (name == core(a.key) && core(a.key).starts_with("use")) {
      known = true;
      return isOn(a.value) ? &c : nullptr;
    }
    if (name == core(a.key + a.value)) return &c;
  }
  return nullptr;
}

// Reads the arguments into grid and options.
Expected<void> readArguments(const std::vector<Candidate>& all, const std::string& name, std::vector<Argument>& arguments, FromLibrary& taken) {
  for (Argument& a : arguments) {
    bool known = false;
    const Candidate* c = a.used ? nullptr : gridOf(all, a, known);
    if (c != nullptr && taken.grid == nullptr) taken.grid = c->grid;
    a.used = a.used || known || c != nullptr;
  }
  for (Argument& a : arguments) {
    if (a.used || a.key.empty()) continue;
    if (const char* option = optionOf(a.key, taken)) {
      const bool said = std::any_of(taken.options.begin(), taken.options.end(), [&](const auto& o) { return o.first == option; });
      if (!said) taken.options.emplace_back(option, std::string_view(option) == "process" ? processOf(a.value) : a.value);
      continue;
    }
    const auto* meaning = std::find_if(std::begin(meanings), std::end(meanings), [&](const auto& m) { return core(m.first) == core(a.key); });
    if (meaning == std::end(meanings)) {
      taken.leftOut.push_back(a.key);
    } else if (!sameValue(a.value, meaning->second)) {
      std::vector<const Candidate*> others;
      for (const Candidate& c : all)
        if (!c.own && core(c.name.name) == core(name)) others.push_back(&c);
      return makeError(ErrorCode::usage, trf("No sampler here is {} with {} = {}: {}", name, a.key, a.value, choicesOf(others)));
    }
  }
  return {};
}

}  // namespace

std::string LibraryName::shown() const { return needed.empty() ? name : name + " (" + joined(needed) + ")"; }

std::vector<LibraryName> libraryNames(std::string_view registered) {
  std::vector<LibraryName> names;
  for (std::string part : parts(registered, ';')) {
    LibraryName name;
    if (const auto remark = part.find('['); remark != std::string::npos) {
      name.remark = part.substr(remark + 1, part.find(']') - remark - 1);
      part.resize(remark);
    }
    if (const auto arrow = part.find("->"); arrow != std::string::npos) {
      name.implied = parts(std::string_view(part).substr(arrow + 2), ',');
      part.resize(arrow);
    }
    if (const auto open = part.find('('); open != std::string::npos) {
      name.needed = parts(std::string_view(part).substr(open + 1, part.find(')') - open - 1), ',');
      part.resize(open);
    }
    name.name = trimmed(part);
    names.push_back(std::move(name));
  }
  return names;
}

std::string shownNames(std::string_view registered, std::size_t most) {
  std::vector<std::string> shown;
  for (const LibraryName& name : libraryNames(registered))
    if (shown.size() < most) shown.push_back(name.shown());
  return shown.empty() ? "–" : joined(shown);
}

std::string FromLibrary::sentence() const {
  std::vector<std::string> said;
  if (sampler != nullptr) said.push_back(trf("{} ({})", tr(sampler->title), sampler->id));
  if (grid != nullptr) said.push_back(trf("grid {} ({})", tr(grid->title), grid->id));
  for (const auto& [option, value] : options) said.push_back(option + " = " + value);
  if (!remark.empty()) said.push_back(tr(remark));
  if (!leftOut.empty()) said.push_back(trf("without {}, which nothing here is", joined(leftOut)));
  return joined(said);
}

Expected<FromLibrary> fromLibrary(std::string_view text) {
  Taken taken = takeApart(text);
  FromLibrary result;
  if (taken.words.empty() && taken.arguments.empty()) return result;
  const std::vector<Candidate> all = allCandidates();

  // Find the words that name a sampler and those that name a grid: all words one name, or some in front and the others behind.
  const auto joinedWords = [&](std::size_t from, std::size_t to) {
    std::string name;
    for (std::size_t i = from; i < to; ++i) name += (name.empty() ? "" : " ") + taken.words[i];
    return name;
  };
  struct Reading {
    Match sampler, grid;
    std::string name;
  };
  std::optional<Reading> found;
  std::vector<const Candidate*> lacking;
  const std::size_t count = taken.words.size();
  const auto attempt = [&](const std::string& samplerWords, const std::string& gridWords) {
    Reading reading;
    reading.name = samplerWords.empty() ? gridWords : samplerWords;
    if (!samplerWords.empty()) reading.sampler = matched(all, samplerWords, false, taken.arguments);
    if (!gridWords.empty()) reading.grid = matched(all, gridWords, true, taken.arguments);
    const bool good = (samplerWords.empty() || reading.sampler.best) && (gridWords.empty() || reading.grid.best);
    if (good) found = std::move(reading);
    if (!good && (samplerWords.empty() || gridWords.empty()))
      for (const Match* match : {&reading.sampler, &reading.grid}) lacking.insert(lacking.end(), match->lacking.begin(), match->lacking.end());
    return good;
  };
  const std::string whole = joinedWords(0, count);
  if (count > 0) {
    // One word may be a sampler's and a grid's name at once, as a scheduler class is.
    bool good = attempt(whole, whole) || attempt(whole, "") || attempt("", whole);
    for (std::size_t k = 1; k < count && !good; ++k)
      good = attempt(joinedWords(0, k), joinedWords(k, count)) || attempt(joinedWords(k, count), joinedWords(0, k));
    if (!good && lacking.size() == 1)
      return makeError(ErrorCode::usage, trf("'{}' is here in one form only: {}", whole, choicesOf(lacking)));
    if (!good && !lacking.empty())
      return makeError(ErrorCode::usage, trf("'{}' alone may mean several things: {}", whole, choicesOf(lacking)));
    if (!good)
      return makeError(ErrorCode::usage, trf("No library's sampler or grid is called '{}'; near it are {}", whole, nearOf(all, whole)));
  }

  // What the two names need and imply.
  if (found) {
    for (const Match* match : {&found->sampler, &found->grid}) {
      if (match->best == nullptr) continue;
      if (!match->tied.empty()) {
        std::vector<const Candidate*> several = match->tied;
        several.insert(several.begin(), match->best);
        return makeError(ErrorCode::usage, trf("'{}' alone may mean several things: {}", whole, choicesOf(several)));
      }
      const Candidate& c = *match->best;
      if (c.sampler != nullptr) result.sampler = c.sampler;
      if (c.grid != nullptr) result.grid = c.grid;
      if (!c.name.remark.empty()) result.remark = c.name.remark;
      for (const std::string& needed : c.name.needed) {
        Argument* argument = findArgument(taken.arguments, needed);
        // A number that is asked for by name alone (s_churn) is an option all the same.
        if (argument != nullptr) argument->used = optionOf(argument->key, result) == nullptr || !argumentOf(needed).value.empty();
      }
      for (const std::string& implied : c.name.implied) {
        const Argument wanted = argumentOf(implied);
        const bool said =
            std::any_of(taken.arguments.begin(), taken.arguments.end(), [&](const Argument& a) { return core(a.key) == core(wanted.key); });
        if (!said) taken.arguments.push_back(wanted);
      }
    }
  }
  if (auto read = readArguments(all, found ? found->name : std::string(text), taken.arguments, result); !read) return read.error();
  if (result.sampler == nullptr && result.grid == nullptr)
    return makeError(ErrorCode::usage, trf("'{}' names neither a sampler nor a grid: write a name such as sample_dpmpp_2m or karras",
                                           trimmed(text)));
  return result;
}

}  // namespace orrery::diffusion
