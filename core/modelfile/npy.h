#pragma once
// The .npy format (NumPy, "A simple file format for NumPy arrays", versions 1.0 to 3.0). The header's Python literal is read by a grammar of
// our own that knows one dictionary with three keys and nothing that can run.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/expected.h"
#include "core/modelfile/element_type.h"

namespace orrery::modelfile {

struct NpyHeader {
  std::string descr;                    // "<f4"
  ElementType type = ElementType::f32;
  bool supported = true;                // false: structured, text, dates ...: listed as unsupported
  bool bigEndian = false;
  bool fortranOrder = false;
  std::vector<std::int64_t> shape;
  std::uint64_t dataOffset = 0;         // from the start of the npy
  std::uint64_t dataBytes = 0;          // shape x element size
};

// `head` is the beginning of the npy (as much as there is, at most 1 MiB + 12); `total` its whole size.
Expected<NpyHeader> parseNpyHeader(std::span<const std::byte> head, std::uint64_t total);

// Values as f32 in C order from the data bytes, and the number of NaN or infinite ones.
std::pair<Tensor, std::int64_t> npyValues(const NpyHeader& header, std::span<const std::byte> data);

}  // namespace orrery::modelfile
