#pragma once
// SPIR-V with the branches decided that specialisation constants decide. CPU drivers translate every branch of a shader into their own
// form, once for every call of a function, before they find that a constant excludes it: deciding here takes 2 ms where lavapipe took 250
// (matmul).

#include <cstdint>
#include <span>
#include <vector>

namespace orrery::gpu {

// `words`: a module as glslang writes it. `constants`: the value of the specialisation constant with the id of its place, the others keep
// their defaults. Selections on them go straight to the side taken; blocks and functions that are never reached are left out. Constants,
// their ids and the order of what is left stay, so the module is specialised with the same constants as before. What this does not know is
// returned unchanged. SPIR-V 1.5 specification, sections 2.11 (structured control flow) and 2.16.1 (validation).
std::vector<std::uint32_t> decided(std::span<const std::uint32_t> words, std::span<const std::uint32_t> constants);

}  // namespace orrery::gpu
