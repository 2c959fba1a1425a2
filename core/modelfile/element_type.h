#pragma once
// Element types as files store them, and their conversion to the f32, i32 and u8 tensors that labs use.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/tensor/tensor.h"

namespace orrery::modelfile {

enum class ElementType : std::uint8_t { boolean, u8, i8, u16, i16, u32, i32, u64, i64, f16, bf16, f32, f64, f8, f6, f4 };

int bitsOf(ElementType type);
std::string_view nameOf(ElementType type);    // "bool", "u8", ..., "f8"
bool isReadable(ElementType type);            // false for the 4, 6 and 8 bit floats: they are listed, not read

// Converts `count` elements to f32 (integers beyond 2^24 are rounded). `bytes` holds exactly the elements; big-endian data are swapped first.
// Returns how many elements are NaN or infinite.
std::int64_t toFloats(ElementType type, std::span<const std::byte> bytes, bool bigEndian, std::span<float> to);

}  // namespace orrery::modelfile
