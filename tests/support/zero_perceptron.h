#pragma once
// A perceptron of zeros as a file: read as EDM's F with deviation 1/2 it is the exact denoiser of the scene `gauss`, read as x_0 it says 0,
// read as a velocity that nothing moves.

#include <string>
#include <vector>

#include "core/base/philox.h"
#include "core/modelfile/safetensors_write.h"
#include "tests/support/catch.h"
#include "tests/support/scratch.h"

namespace orrery::testing {

// Values around 0 of this deviation, by Philox.
inline Tensor drawn(Shape shape, std::uint32_t purpose, double deviation) {
  std::vector<float> values(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const PhiloxBlock words = philox({static_cast<std::uint32_t>(i), 0, purpose, 0}, philoxKey(7));
    values[i] = static_cast<float>(deviation * philoxNormals(words[0], words[1])[0]);
  }
  return Tensor::from(std::move(shape), values);
}

inline std::string perceptronOf(float value, const Scratch& folder, std::int64_t coordinates = 2) {
  const std::string path = folder.path((value == 0 ? "zero-" : "same-") + std::to_string(coordinates) + ".safetensors");
  const auto filled = [&](Shape shape) { return Tensor::from(shape, std::vector<float>(static_cast<std::size_t>(shape.count()), value)); };
  REQUIRE(modelfile::writeSafetensors(path, std::vector<std::pair<std::string, Tensor>>{{"0.weight", filled(Shape{8, coordinates + 1})},
                                                                                        {"2.weight", filled(Shape{coordinates, 8})}}));
  return path;
}
inline std::string zeroPerceptron(const Scratch& folder, std::int64_t coordinates = 2) { return perceptronOf(0, folder, coordinates); }
// Finite weights whose products are not.
inline std::string overflowingPerceptron(const Scratch& folder) { return perceptronOf(1e25f, folder); }

// Two hidden layers of weights around 0: exact about nothing.
inline std::string drawnPerceptron(const Scratch& folder) {
  const std::string path = folder.path("drawn.safetensors");
  REQUIRE(modelfile::writeSafetensors(path, std::vector<std::pair<std::string, Tensor>>{{"0.weight", drawn(Shape{24, 3}, 1, 0.6)},
                                                                                        {"0.bias", drawn(Shape{24}, 2, 0.5)},
                                                                                        {"2.weight", drawn(Shape{16, 24}, 3, 0.3)},
                                                                                        {"4.weight", drawn(Shape{2, 16}, 4, 0.4)},
                                                                                        {"4.bias", drawn(Shape{2}, 5, 0.3)}}));
  return path;
}

// One of fours instead, over ReLU: as a score it drives particles away from where they are, ever faster.
inline std::string explosivePerceptron(const Scratch& folder) {
  const std::string path = folder.path("fours.safetensors");
  const auto fours = [](Shape shape) { return Tensor::from(shape, std::vector<float>(static_cast<std::size_t>(shape.count()), 4.0f)); };
  REQUIRE(modelfile::writeSafetensors(
      path, std::vector<std::pair<std::string, Tensor>>{{"0.weight", fours(Shape{8, 3})}, {"2.weight", fours(Shape{2, 8})}}));
  return path;
}

}  // namespace orrery::testing
