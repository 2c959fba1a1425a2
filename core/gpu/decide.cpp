#include "core/gpu/decide.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "core/gpu/spirv.h"

namespace orrery::gpu {
namespace {

using Words = std::span<const std::uint32_t>;

enum Operation : std::uint32_t {
  opName = 5,
  opMemberName = 6,
  opEntryPoint = 15,
  opConstantTrue = 41,
  opConstantFalse = 42,
  opConstant = 43,
  opSpecConstantTrue = 48,
  opSpecConstantFalse = 49,
  opSpecConstant = 50,
  opSpecConstantOp = 52,
  opFunction = 54,
  opFunctionEnd = 56,
  opFunctionCall = 57,
  opDecorate = 71,
  opIAdd = 128,
  opISub = 130,
  opIMul = 132,
  opUDiv = 134,
  opUMod = 137,
  opLogicalEqual = 164,
  opLogicalNotEqual = 165,
  opLogicalOr = 166,
  opLogicalAnd = 167,
  opLogicalNot = 168,
  opSelect = 169,
  opIEqual = 170,
  opINotEqual = 171,
  opUGreaterThan = 172,
  opUGreaterThanEqual = 174,
  opULessThan = 176,
  opULessThanEqual = 178,
  opShiftRightLogical = 194,
  opShiftLeftLogical = 196,
  opBitwiseOr = 197,
  opBitwiseAnd = 199,
  opPhi = 245,
  opLoopMerge = 246,
  opSelectionMerge = 247,
  opLabel = 248,
  opBranch = 249,
  opBranchConditional = 250,
  opSwitch = 251,
  opUnreachable = 255,
};
constexpr std::uint32_t decorationSpecId = 1;

// The instructions of a module; empty when their lengths do not add up.
std::vector<Words> instructionsOf(Words words) {
  std::vector<Words> result;
  if (!eachInstruction(words, [&](Words instruction) { result.push_back(instruction); })) return {};
  return result;
}

// What is known of 32-bit integers and booleans (0, 1) that constants make.
class Constants {
 public:
  explicit Constants(std::span<const std::uint32_t> special) : special_(special) {}

  std::optional<std::uint32_t> find(std::uint32_t id) const {
    const auto found = values_.find(id);
    return found == values_.end() ? std::nullopt : std::optional(found->second);
  }

  void read(Words instruction) {
    const auto specialOr = [&](std::uint32_t otherwise) {
      const auto place = places_.find(instruction[2]);
      return place != places_.end() && place->second < special_.size() ? special_[place->second] : otherwise;
    };
    switch (operationOf(instruction)) {
      case opDecorate:
        if (instruction.size() == 4 && instruction[2] == decorationSpecId) places_[instruction[1]] = instruction[3];
        break;
      case opConstantTrue:
        values_[instruction[2]] = 1;
        break;
      case opConstantFalse:
        values_[instruction[2]] = 0;
        break;
      case opConstant:
        if (instruction.size() == 4) values_[instruction[2]] = instruction[3];
        break;
      case opSpecConstantTrue:
        values_[instruction[2]] = specialOr(1) != 0;
        break;
      case opSpecConstantFalse:
        values_[instruction[2]] = specialOr(0) != 0;
        break;
      case opSpecConstant:
        if (instruction.size() == 4) values_[instruction[2]] = specialOr(instruction[3]);
        break;
      case opSpecConstantOp:
        if (const auto value = evaluate(instruction[3], instruction.subspan(4))) values_[instruction[2]] = *value;
        break;
      default:
        break;
    }
  }

 private:
  std::optional<std::uint32_t> evaluate(std::uint32_t operation, Words operands) const {
    if (operands.empty() || operands.size() > 3) return std::nullopt;
    std::uint32_t known[3] = {};
    for (std::size_t i = 0; i < operands.size(); ++i) {
      const auto value = find(operands[i]);
      if (!value) return std::nullopt;
      known[i] = *value;
    }
    const auto [a, b, c] = known;
    if (operands.size() == 1) return operation == opLogicalNot ? std::optional(a ^ 1u) : std::nullopt;
    if (operands.size() == 3) return operation == opSelect ? std::optional(a != 0 ? b : c) : std::nullopt;
    switch (operation) {
      case opIAdd:
        return a + b;
      case opISub:
        return a - b;
      case opIMul:
        return a * b;
      case opUDiv:
        return b == 0 ? std::nullopt : std::optional(a / b);
      case opUMod:
        return b == 0 ? std::nullopt : std::optional(a % b);
      case opLogicalEqual:
      case opIEqual:
        return a == b;
      case opLogicalNotEqual:
      case opINotEqual:
        return a != b;
      case opLogicalOr:
      case opBitwiseOr:
        return a | b;
      case opLogicalAnd:
      case opBitwiseAnd:
        return a & b;
      case opUGreaterThan:
        return a > b;
      case opUGreaterThanEqual:
        return a >= b;
      case opULessThan:
        return a < b;
      case opULessThanEqual:
        return a <= b;
      case opShiftRightLogical:
        return b < 32 ? std::optional(a >> b) : std::nullopt;
      case opShiftLeftLogical:
        return b < 32 ? std::optional(a << b) : std::nullopt;
      default:
        return std::nullopt;
    }
  }

  std::span<const std::uint32_t> special_;
  std::map<std::uint32_t, std::uint32_t> places_, values_;  // by id
};

// A block: its instructions, from its label to its terminator, and where it goes to.
struct Block {
  std::span<const Words> instructions;
  std::vector<std::uint32_t> next;
  bool isDecided = false, isReached = false;

  std::uint32_t label() const { return instructions.front()[1]; }
  Words terminator() const { return instructions.back(); }
  // The OpSelectionMerge or OpLoopMerge before the terminator.
  Words merge() const {
    if (instructions.size() < 2) return {};
    const Words before = instructions[instructions.size() - 2];
    return operationOf(before) == opSelectionMerge || operationOf(before) == opLoopMerge ? before : Words{};
  }

  void decide(const Constants& constants) {
    const Words end = terminator();
    const Words before = merge();
    const bool selects = !before.empty() && operationOf(before) == opSelectionMerge;
    if (operationOf(end) == opBranch) next = {end[1]};
    if (operationOf(end) == opBranchConditional) {
      const auto condition = selects ? constants.find(end[1]) : std::nullopt;
      isDecided = condition.has_value();
      if (isDecided) {
        next = {*condition != 0 ? end[2] : end[3]};
      } else {
        next = {end[2], end[3]};
      }
    }
    if (operationOf(end) == opSwitch) {
      const auto selector = selects ? constants.find(end[1]) : std::nullopt;
      isDecided = selector.has_value();
      next = {end[2]};
      for (std::size_t i = 3; i + 1 < end.size(); i += 2) {
        if (!isDecided)
          next.push_back(end[i + 1]);
        else if (end[i] == *selector)
          next = {end[i + 1]};
      }
    }
  }
};

// A function cut into blocks, decided, and those of them walked that can be reached.
class Function {
 public:
  Function(std::span<const Words> instructions, const Constants& constants) {
    std::size_t at = 0;
    while (at < instructions.size() && operationOf(instructions[at]) != opLabel) ++at;
    head_ = instructions.first(at);
    while (at < instructions.size() && operationOf(instructions[at]) == opLabel) {
      std::size_t end = at + 1;
      while (end < instructions.size() && operationOf(instructions[end]) != opLabel && operationOf(instructions[end]) != opFunctionEnd)
        ++end;
      places_[instructions[at][1]] = blocks_.size();
      blocks_.push_back({instructions.subspan(at, end - at), {}, false, false});
      at = end;
    }
    for (Block& block : blocks_) block.decide(constants);
    std::vector<std::size_t> waiting;
    if (!blocks_.empty()) waiting.push_back(0);
    while (!waiting.empty()) {
      Block& block = blocks_[waiting.back()];
      waiting.pop_back();
      if (block.isReached) continue;
      block.isReached = true;
      for (const std::uint32_t label : block.next) {
        cameFrom_[label].insert(block.label());
        if (const auto found = places_.find(label); found != places_.end()) waiting.push_back(found->second);
      }
      // Loops and the selections that stay name blocks that need not be reached.
      if (const Words merge = block.merge(); !merge.empty() && !leavesOutMerge(block)) {
        ends_.insert(merge[1]);
        if (operationOf(merge) == opLoopMerge) continues_[merge[2]] = block.label();
      }
    }
  }

  std::vector<std::uint32_t> called() const {
    std::vector<std::uint32_t> result;
    for (const Block& block : blocks_) {
      if (!block.isReached) continue;
      for (const Words instruction : block.instructions)
        if (operationOf(instruction) == opFunctionCall) result.push_back(instruction[3]);
    }
    return result;
  }

  // False when a loop that is never continued has values that depend on it.
  bool write(std::vector<std::uint32_t>& out) const {
    const auto put = [&](Words instruction) { out.insert(out.end(), instruction.begin(), instruction.end()); };
    const auto make = [&](std::uint32_t operation, std::initializer_list<std::uint32_t> operands) {
      out.push_back(static_cast<std::uint32_t>(operands.size() + 1) << 16 | operation);
      out.insert(out.end(), operands);
    };
    for (const Words instruction : head_) put(instruction);
    for (const Block& block : blocks_) {
      const auto loop = continues_.find(block.label());
      if (!block.isReached) {
        if (loop == continues_.end() && !ends_.contains(block.label())) continue;
        put(block.instructions.front());
        if (loop == continues_.end())
          make(opUnreachable, {});
        else
          make(opBranch, {loop->second});
        continue;
      }
      for (const Words instruction : block.instructions) {
        const bool isEnd = instruction.data() == block.terminator().data();
        if (operationOf(instruction) == opPhi) {
          if (!putPhi(block, instruction, out)) return false;
        } else if (operationOf(instruction) == opSelectionMerge && leavesOutMerge(block)) {
          continue;
        } else if (isEnd && block.isDecided && operationOf(instruction) == opSwitch) {
          make(opSwitch, {instruction[1], block.next.front()});
        } else if (isEnd && block.isDecided) {
          make(opBranch, {block.next.front()});
        } else {
          put(instruction);
        }
      }
    }
    make(opFunctionEnd, {});
    return true;
  }

 private:
  // A switch keeps its merge when it is decided: its cases may break out of selections of their own.
  static bool leavesOutMerge(const Block& block) { return block.isDecided && operationOf(block.terminator()) == opBranchConditional; }

  bool putPhi(const Block& block, Words phi, std::vector<std::uint32_t>& out) const {
    for (const auto& [label, header] : continues_) {
      const auto place = places_.find(label);
      if (header == block.label() && (place == places_.end() || !blocks_[place->second].isReached)) return false;
    }
    const std::size_t at = out.size();
    out.insert(out.end(), phi.begin(), phi.begin() + 3);
    const auto from = cameFrom_.find(block.label());
    for (std::size_t i = 3; i + 1 < phi.size(); i += 2) {
      if (from != cameFrom_.end() && from->second.contains(phi[i + 1])) out.insert(out.end(), {phi[i], phi[i + 1]});
    }
    out[at] = static_cast<std::uint32_t>(out.size() - at) << 16 | opPhi;
    return true;
  }

  std::span<const Words> head_;  // OpFunction and its parameters
  std::vector<Block> blocks_;
  std::map<std::uint32_t, std::size_t> places_;                // of blocks, by label
  std::map<std::uint32_t, std::set<std::uint32_t>> cameFrom_;  // label -> the blocks that go there
  std::set<std::uint32_t> ends_;                               // labels that merges name
  std::map<std::uint32_t, std::uint32_t> continues_;           // label -> header of its loop
};

}  // namespace

std::vector<std::uint32_t> decided(std::span<const std::uint32_t> words, std::span<const std::uint32_t> special) {
  const std::vector<std::uint32_t> unchanged(words.begin(), words.end());
  if (words.size() < 5) return unchanged;
  const std::vector<Words> instructions = instructionsOf(words);
  Constants constants(special);
  std::map<std::uint32_t, Function> functions;
  std::vector<std::uint32_t> waiting;  // functions that are called
  std::size_t globals = 0;
  for (; globals < instructions.size() && operationOf(instructions[globals]) != opFunction; ++globals) {
    constants.read(instructions[globals]);
    if (operationOf(instructions[globals]) == opEntryPoint) waiting.push_back(instructions[globals][2]);
  }
  std::vector<std::uint32_t> order;
  for (std::size_t at = globals; at < instructions.size();) {
    std::size_t end = at;
    while (end < instructions.size() && operationOf(instructions[end]) != opFunctionEnd) ++end;
    order.push_back(instructions[at][2]);
    functions.emplace(instructions[at][2], Function(std::span(instructions).subspan(at, end - at), constants));
    at = end + 1;
  }
  std::set<std::uint32_t> called;
  while (!waiting.empty()) {
    const std::uint32_t id = waiting.back();
    waiting.pop_back();
    const auto found = functions.find(id);
    if (found == functions.end() || !called.insert(id).second) continue;
    for (const std::uint32_t other : found->second.called()) waiting.push_back(other);
  }
  if (called.empty()) return unchanged;

  std::vector<std::uint32_t> bodies;
  bodies.reserve(words.size());
  for (const std::uint32_t id : order)
    if (called.contains(id) && !functions.at(id).write(bodies)) return unchanged;
  // Decorations of values that are gone go too; names are for people only. An instruction's result is its first or second operand.
  std::vector<bool> isThere(words[3]);
  const auto note = [&](Words instruction) {
    for (std::size_t i = 1; i < std::min<std::size_t>(instruction.size(), 3); ++i)
      if (instruction[i] < isThere.size()) isThere[instruction[i]] = true;
  };
  for (std::size_t i = 0; i < globals; ++i)
    if (operationOf(instructions[i]) != opDecorate && operationOf(instructions[i]) != opName) note(instructions[i]);
  std::vector<std::uint32_t> result(words.begin(), words.begin() + 5);
  {
    std::vector<std::uint32_t> module(5);
    module.insert(module.end(), bodies.begin(), bodies.end());
    for (const Words instruction : instructionsOf(module)) note(instruction);
  }
  for (std::size_t i = 0; i < globals; ++i) {
    const Words instruction = instructions[i];
    const std::uint32_t operation = operationOf(instruction);
    if (operation == opName || operation == opMemberName) continue;
    if (operation == opDecorate && !(instruction[1] < isThere.size() && isThere[instruction[1]])) continue;
    result.insert(result.end(), instruction.begin(), instruction.end());
  }
  result.insert(result.end(), bodies.begin(), bodies.end());
  return result;
}

}  // namespace orrery::gpu
