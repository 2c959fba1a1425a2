// Random damage to good files: whatever the bytes, the readers answer with values or one sentence and stay inside the file.
// Run under ASan and UBSan by the dev preset. Seeded, so that a failure can be repeated.

#include <cstring>

#include "core/base/philox.h"
#include "core/modelfile/tensor_file.h"
#include "tests/support/catch.h"
#include "tests/support/scratch.h"

using namespace orrery;
using namespace orrery::modelfile;
using orrery::testing::little;
using orrery::testing::Scratch;

namespace {

void readEverything(const std::string& path) {
  for (const bool lenient : {false, true}) {
    auto opened = TensorFile::open(path, {lenient});
    if (!opened) {
      CHECK_FALSE(opened.error().message.empty());
      continue;
    }
    for (const auto& tensor : opened->tensors()) {
      auto values = opened->read(tensor.name);
      if (!values) CHECK_FALSE(values.error().message.empty());
    }
  }
}

void damage(const std::string& good, const std::string& name, std::uint32_t seed) {
  Scratch scratch;
  // Every single byte: inverted, zeroed, and set to a digit.
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const int to : {good[at] ^ 0xFF, 0, int{'9'}}) {
      std::string bad = good;
      bad[at] = static_cast<char>(to);
      readEverything(scratch.write(name, bad));
    }
  }
  // Several bytes at once, and pieces moved.
  for (std::uint32_t round = 0; round < 300; ++round) {
    std::string bad = good;
    const PhiloxBlock draws = philox({round, 0, 0, 0}, philoxKey(seed));
    for (int i = 0; i < 4; ++i) {
      const PhiloxBlock more = philox({round, static_cast<std::uint32_t>(i), 1, 0}, philoxKey(seed));
      bad[philoxBounded(more[0], static_cast<std::uint32_t>(bad.size()))] = static_cast<char>(more[1]);
    }
    const std::size_t cut = philoxBounded(draws[0], static_cast<std::uint32_t>(bad.size()));
    if (draws[1] & 1) bad = bad.substr(cut) + bad.substr(0, cut);
    readEverything(scratch.write(name, bad));
  }
}

}  // namespace

TEST_CASE("Damaged safetensors never crash the reader") {
  const std::string header = R"({"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"v":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]}})";
  damage(little<std::uint64_t>(header.size()) + header + std::string(22, '\x3F'), "x.safetensors", 1);
}

TEST_CASE("Damaged npy files never crash the reader") {
  std::string header = "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }";
  header += std::string(64 - (10 + header.size() + 1) % 64, ' ') + '\n';
  damage(std::string("\x93NUMPY\x01\x00", 8) + little<std::uint16_t>(static_cast<std::uint16_t>(header.size())) + header + std::string(24, '\x3F'), "x.npy", 2);
}
