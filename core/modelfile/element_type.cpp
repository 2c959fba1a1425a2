#include "core/modelfile/element_type.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace orrery::modelfile {

int bitsOf(ElementType type) {
  switch (type) {
    case ElementType::boolean: case ElementType::u8: case ElementType::i8: case ElementType::f8: return 8;
    case ElementType::u16: case ElementType::i16: case ElementType::f16: case ElementType::bf16: return 16;
    case ElementType::u32: case ElementType::i32: case ElementType::f32: return 32;
    case ElementType::u64: case ElementType::i64: case ElementType::f64: return 64;
    case ElementType::f6: return 6;
    case ElementType::f4: return 4;
  }
  return 8;
}

std::string_view nameOf(ElementType type) {
  constexpr std::string_view names[] = {"bool", "u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f16", "bf16", "f32", "f64", "f8", "f6", "f4"};
  return names[static_cast<std::size_t>(type)];
}

bool isReadable(ElementType type) { return type != ElementType::f8 && type != ElementType::f6 && type != ElementType::f4; }

namespace {

template <class Word, class Convert>
void convert(std::span<const std::byte> bytes, bool bigEndian, std::span<float> to, Convert toFloat) {
  for (std::size_t i = 0; i < to.size(); ++i) {
    Word word;
    std::memcpy(&word, bytes.data() + i * sizeof(Word), sizeof(Word));
    if (bigEndian) {
      auto raw = std::bit_cast<std::array<std::byte, sizeof(Word)>>(word);
      for (std::size_t j = 0; j < sizeof(Word) / 2; ++j) std::swap(raw[j], raw[sizeof(Word) - 1 - j]);
      word = std::bit_cast<Word>(raw);
    }
    to[i] = toFloat(word);
  }
}

}  // namespace

std::int64_t toFloats(ElementType type, std::span<const std::byte> bytes, bool bigEndian, std::span<float> to) {
  const auto plain = [](auto word) { return static_cast<float>(word); };
  switch (type) {
    case ElementType::boolean: case ElementType::u8: convert<std::uint8_t>(bytes, bigEndian, to, plain); break;
    case ElementType::i8: convert<std::int8_t>(bytes, bigEndian, to, plain); break;
    case ElementType::u16: convert<std::uint16_t>(bytes, bigEndian, to, plain); break;
    case ElementType::i16: convert<std::int16_t>(bytes, bigEndian, to, plain); break;
    case ElementType::u32: convert<std::uint32_t>(bytes, bigEndian, to, plain); break;
    case ElementType::i32: convert<std::int32_t>(bytes, bigEndian, to, plain); break;
    case ElementType::u64: convert<std::uint64_t>(bytes, bigEndian, to, plain); break;
    case ElementType::i64: convert<std::int64_t>(bytes, bigEndian, to, plain); break;
    case ElementType::f16: convert<std::uint16_t>(bytes, bigEndian, to, [](std::uint16_t w) { return halfToFloat(w); }); break;
    case ElementType::bf16: convert<std::uint16_t>(bytes, bigEndian, to, [](std::uint16_t w) { return bfloatToFloat(w); }); break;
    case ElementType::f32: convert<std::uint32_t>(bytes, bigEndian, to, [](std::uint32_t w) { return std::bit_cast<float>(w); }); break;
    case ElementType::f64:
      // A double beyond float's range becomes infinite and is counted below.
      convert<std::uint64_t>(bytes, bigEndian, to, [](std::uint64_t w) {
        const double value = std::bit_cast<double>(w);
        if (std::abs(value) > 3.4028234663852886e38) return std::copysign(INFINITY, static_cast<float>(std::copysign(1.0, value)));
        return static_cast<float>(value);
      });
      break;
    case ElementType::f8: case ElementType::f6: case ElementType::f4: return 0;
  }
  std::int64_t notFinite = 0;
  for (const float value : to) notFinite += std::isfinite(value) ? 0 : 1;
  return notFinite;
}

}  // namespace orrery::modelfile
