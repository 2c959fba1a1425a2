// Branches that constants decide, before the driver sees them: what is left is a whole module, of every shader there is.

#include "core/gpu/decide.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <string>

#include "core/gpu/shader_code.h"
#include "tests/support/catch.h"

namespace orrery::gpu {
namespace {

using Words = std::span<const std::uint32_t>;

Words wordsOf(const ShaderCode& code) { return {code.words, code.bytes / 4}; }

// What is wrong with the blocks of a module; empty when nothing is. A little of the specification's section 2.16.1: blocks end once, what
// they name is there, values of phis come from exactly the blocks that come here, functions that are called are there.
std::string faultOf(Words words) {
  constexpr std::uint32_t opFunction = 54, opFunctionEnd = 56, opFunctionCall = 57, opPhi = 245, opLoopMerge = 246, opSelectionMerge = 247;
  constexpr std::uint32_t opLabel = 248, opBranch = 249, opBranchConditional = 250, opSwitch = 251, opKill = 252, opUnreachable = 255;
  if (words.size() < 5 || words[0] != 0x07230203) return "no header";
  std::set<std::uint32_t> functions, called, labels, named;
  std::map<std::uint32_t, std::set<std::uint32_t>> cameFrom, phis;
  std::uint32_t label = 0;
  bool isOpen = false;
  const auto go = [&](std::uint32_t to) {
    named.insert(to);
    cameFrom[to].insert(label);
  };
  for (std::size_t at = 5; at < words.size();) {
    const std::uint32_t length = words[at] >> 16, operation = words[at] & 0xffff;
    if (length == 0 || at + length > words.size()) return fmt::format("instruction {} at {} is {} words long", operation, at, length);
    const Words instruction = words.subspan(at, length);
    if (operation == opFunction) functions.insert(instruction[2]);
    if (operation == opFunctionCall) called.insert(instruction[3]);
    if (operation == opFunctionEnd && isOpen) return fmt::format("block {} does not end", label);
    if (operation == opLabel) {
      if (isOpen) return fmt::format("block {} does not end", label);
      label = instruction[1];
      labels.insert(label);
      isOpen = true;
    }
    if (operation == opPhi) {
      if (length == 3) return fmt::format("the phi {} has no values", instruction[2]);
      std::set<std::uint32_t> parents;
      for (std::size_t i = 4; i < length; i += 2) parents.insert(instruction[i]);
      if (const auto other = phis.find(label); other != phis.end() && other->second != parents)
        return fmt::format("the phis of {} differ", label);
      phis[label] = parents;
    }
    if (operation == opSelectionMerge || operation == opLoopMerge) named.insert(instruction[1]);
    if (operation == opLoopMerge) named.insert(instruction[2]);
    if (operation == opBranch) go(instruction[1]);
    if (operation == opBranchConditional) {
      go(instruction[2]);
      go(instruction[3]);
    }
    if (operation == opSwitch) {
      go(instruction[2]);
      for (std::size_t i = 4; i < length; i += 2) go(instruction[i]);
    }
    if ((operation >= opBranch && operation <= opUnreachable) || operation == opKill) isOpen = false;
    at += length;
  }
  for (const std::uint32_t id : called)
    if (!functions.contains(id)) return fmt::format("function {} is called and not there", id);
  for (const std::uint32_t id : named)
    if (!labels.contains(id)) return fmt::format("block {} is named and not there", id);
  for (const auto& [id, parents] : phis)
    if (cameFrom[id] != parents) return fmt::format("the phis of {} do not name the blocks before it", id);
  return {};
}

TEST_CASE("every shader stays whole when constants decide its branches") {
  const std::vector<std::vector<std::uint32_t>> choices = {{},
                                                           {0, 0, 0, 0, 0, 0, 0, 0, 0},
                                                           {1, 1, 1, 1, 1, 1, 1, 1, 1},
                                                           {2, 3, 4, 1, 1, 0, 2, 1, 0},
                                                           {16, 8, 0, 1, 2, 1, 5, 3, 2},
                                                           {3, 0, 12, 1, 0, 1, 1, 0, 1}};
  std::size_t before = 0, after = 0;
  for (const ShaderCode& code : registered<ShaderCode>()) {
    REQUIRE(faultOf(wordsOf(code)) == "");
    for (const auto& constants : choices) {
      INFO(code.id << " with " << fmt::format("{}", fmt::join(constants, ", ")));
      const auto result = decided(wordsOf(code), constants);
      CHECK(faultOf(result) == "");
      CHECK(result.size() <= wordsOf(code).size());
      before += wordsOf(code).size();
      after += result.size();
    }
  }
  CHECK(after < before);
}

TEST_CASE("what constants exclude is left out, and nothing else") {
  const ShaderCode* code = findRegistered<ShaderCode>("kernels/matmul");
  REQUIRE(code != nullptr);
  const auto has = [](Words words, std::uint32_t wanted) {  // an instruction of the extended set GLSL.std.450: 27 exp
    for (std::size_t at = 5; at < words.size(); at += words[at] >> 16)
      if ((words[at] & 0xffff) == 12 && words[at + 4] == wanted) return true;
    return false;
  };
  CHECK(has(wordsOf(*code), 27));
  const std::uint32_t none[] = {0, 0, 0}, silu[] = {0, 0, 13}, relu[] = {0, 0, 10};
  const auto plain = decided(wordsOf(*code), none);
  CHECK(plain.size() < wordsOf(*code).size() / 2);
  CHECK_FALSE(has(plain, 27));
  CHECK(has(decided(wordsOf(*code), silu), 27));
  CHECK_FALSE(has(decided(wordsOf(*code), relu), 27));
  CHECK(decided(plain, none) == plain);
}

TEST_CASE("what is no module of shaders is returned as it is") {
  CHECK(decided({}, {}).empty());
  const std::uint32_t short_[] = {0x07230203, 0x10500}, endless[] = {0x07230203, 0x10500, 0, 5, 0, 0x00000011, 0},
                      cut[] = {0x07230203, 0x10500, 0, 5, 0, 0x00090036, 1};
  for (const Words words : {Words(short_), Words(endless), Words(cut)})
    CHECK(decided(words, {}) == std::vector(words.begin(), words.end()));
}

}  // namespace
}  // namespace orrery::gpu
