#pragma once
// Walking the instructions of a SPIR-V module (specification, section 2.3: five words, then instructions whose first word holds length and
// operation).

#include <cstdint>
#include <span>

namespace orrery::gpu {

inline std::uint32_t operationOf(std::span<const std::uint32_t> instruction) { return instruction[0] & 0xffff; }

// Calls `visit` with every instruction, its first word included; false where the lengths do not add up, after the instructions before.
template <class Visit>
bool eachInstruction(std::span<const std::uint32_t> words, Visit visit) {
  for (std::size_t at = 5; at < words.size();) {
    const std::size_t length = words[at] >> 16;
    if (length == 0 || at + length > words.size()) return false;
    visit(words.subspan(at, length));
    at += length;
  }
  return true;
}

}  // namespace orrery::gpu
