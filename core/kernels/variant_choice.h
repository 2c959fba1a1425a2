#pragma once
// Which variant of a kernel was the fastest on a device when `orrery bench --choose` timed them: once per device and driver, kept as JSON
// in the cache folder. Only variants of equal accuracy are compared.

#include <map>
#include <string>
#include <string_view>

#include "core/base/expected.h"
#include "core/gpu/device.h"

namespace orrery::kernels {

using VariantChoice = std::map<std::string, std::string, std::less<>>;  // "matmul" -> "scalar" or "subgroup"

// "scalar" or "subgroup"; empty where nothing was chosen for this kernel on this device. A damaged file counts as none.
std::string_view chosenVariant(const gpu::Device& device, std::string_view kernel);

// Keeps the choices for these kernels on this device, in this process and in later ones; those for others stay. Error: the cache folder
// cannot be written.
Expected<void> keepChoice(const gpu::Device& device, const VariantChoice& choice);

// Reads the files again at the next question.
void forgetChoices();

}  // namespace orrery::kernels
