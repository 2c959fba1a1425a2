#pragma once
// Writing a safetensors file: the header length (u64, little endian), the header (JSON), the tensors one after the other.

#include <map>
#include <span>
#include <string>
#include <utility>

#include "core/base/expected.h"
#include "core/tensor/tensor.h"

namespace orrery::modelfile {

// The bytes of such a file.
std::string safetensorsContent(std::span<const std::pair<std::string, Tensor>> tensors,
                               const std::map<std::string, std::string>& metadata = {});

// f32 tensors under unique names, in this order, with free metadata. All or nothing: an earlier file stays until the new one is whole.
Expected<void> writeSafetensors(const std::string& path, std::span<const std::pair<std::string, Tensor>> tensors,
                                const std::map<std::string, std::string>& metadata = {});

}  // namespace orrery::modelfile
