#include "core/modelfile/safetensors_write.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "core/base/files.h"

namespace orrery::modelfile {

std::string safetensorsContent(std::span<const std::pair<std::string, Tensor>> tensors,
                               const std::map<std::string, std::string>& metadata) {
  // An ordered object: names stand in the order of their data.
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t at = 0;
  for (const auto& [name, tensor] : tensors) {
    header[name] = {{"dtype", "F32"}, {"shape", tensor.shape().extents()}, {"data_offsets", {at, at + tensor.bytes()}}};
    at += tensor.bytes();
  }
  std::string text = header.dump();
  while (text.size() % 8 != 0) text += ' ';  // the data begins on a multiple of 8
  std::string content;
  content.reserve(8 + text.size() + at);
  for (int i = 0; i < 8; ++i) content += static_cast<char>(static_cast<std::uint64_t>(text.size()) >> (8 * i) & 0xff);
  content += text;
  for (const auto& [name, tensor] : tensors) {
    const auto bytes = tensor.host();
    content.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  return content;
}

Expected<void> writeSafetensors(const std::string& path, std::span<const std::pair<std::string, Tensor>> tensors,
                                const std::map<std::string, std::string>& metadata) {
  return writeFileAtomically(path, safetensorsContent(tensors, metadata));
}

}  // namespace orrery::modelfile
