// ShapeWorld on the device is ShapeWorld in C++: the same pixels and masks for every profile, split, size and option.

#include "core/kernels/shapeworld_raster.h"

#include <array>

#include "core/base/files.h"
#include "core/data/shapeworld_table.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::shapeworld;

namespace {

// The bytes R, G, B of a device picture.
std::vector<std::uint8_t> rgbOf(std::span<const std::uint32_t> pixels) {
  std::vector<std::uint8_t> rgb;
  for (const std::uint32_t word : pixels) {
    for (const int shift : {0, 8, 16}) rgb.push_back(static_cast<std::uint8_t>(word >> shift));
  }
  return rgb;
}

std::vector<Scene> scenesOf(const Options& options, std::uint32_t first, std::uint32_t count) {
  std::vector<Scene> scenes;
  for (std::uint32_t i = 0; i < count; ++i) scenes.push_back(makeScene(first + i, options));
  return scenes;
}

}  // namespace

TEST_CASE("shapeworld_raster agrees with its reference") { orrery::testing::checkAgainstReference("shapeworld_raster"); }

TEST_CASE("device pictures of ShapeWorld have the golden checksums") {
  gpu::Stream stream = orrery::testing::openStream();
  struct Golden {
    Profile profile;
    std::uint32_t index;
    std::array<std::uint32_t, 3> crc;
  };
  const Golden table[] = {{Profile::single, 0, {0x455ac579, 0x33b0ebf0, 0xc5bf4bce}},
                          {Profile::single, 1, {0x232b4dc9, 0xa2d658c2, 0x36f810a4}},
                          {Profile::scene, 1, {0xcfe8caef, 0x444d09be, 0xe6f3fcd7}},
                          {Profile::dense, 1, {0x2764820b, 0x5d4c160a, 0x94293f08}}};
  for (const Golden& golden : table) {
    Options options;
    options.profile = golden.profile;
    const auto scenes = scenesOf(options, golden.index, 1);
    for (std::size_t s = 0; s < 3; ++s) {
      const Tensor pixels = kernels::shapeWorldPixels(stream, drawTable(scenes, options), 32 << s);
      INFO("profile " << static_cast<int>(golden.profile) << " index " << golden.index << " size " << (32 << s));
      const auto rgb = rgbOf(pixels.as<std::uint32_t>());
      CHECK(crc32(std::as_bytes(std::span(rgb))) == golden.crc[s]);
    }
  }
}

TEST_CASE("device pictures and masks of ShapeWorld equal the C++ generator's in every profile, split and size") {
  gpu::Stream stream = orrery::testing::openStream();
  for (const Profile profile : {Profile::single, Profile::scene, Profile::dense}) {
    for (const Split split : {Split::train, Split::val, Split::test, Split::demo}) {
      Options options;
      options.seed = 0x1234567890ull + static_cast<std::uint64_t>(split);
      options.profile = profile;
      options.split = split;
      options.crowd = true;
      options.holdout = split == Split::train;
      const auto scenes = scenesOf(options, 40, 24);
      const Tensor table = drawTable(scenes, options);
      for (const int size : {32, 64, 128}) {
        INFO("profile " << static_cast<int>(profile) << " split " << static_cast<int>(split) << " size " << size);
        const Tensor pixels = kernels::shapeWorldPixels(stream, table, size), images = kernels::shapeWorldImages(stream, table, size),
                     owners = kernels::shapeWorldOwners(stream, table, size);
        const auto area = static_cast<std::size_t>(size * size);
        std::size_t differing = 0, wrongValues = 0, wrongVisible = 0;
        for (std::size_t i = 0; i < scenes.size(); ++i) {
          const Picture picture = render(scenes[i], size, options);
          const auto rgb = rgbOf(pixels.as<std::uint32_t>().subspan(i * area, area));
          for (std::size_t k = 0; k < rgb.size(); ++k) {
            differing += rgb[k] != picture.rgb[k];
            // The value a network sees is one product in f32: equal to the bit.
            const float value = static_cast<float>(2 * int{picture.rgb[k]} - 255) * (1.0f / 255.0f);
            wrongValues += images.as<float>()[(i * 3 + k % 3) * area + k / 3] != value;
          }
          // Every annotation's visible pixels are those its objects own; the crowd's members come first in the table.
          const auto front = owners.as<std::uint32_t>().subspan(i * area, area);
          for (const Annotation& note : picture.annotations) {
            int visible = 0;
            for (const std::uint32_t owner : front) {
              const int object = static_cast<int>(owner) - 1 - static_cast<int>(scenes[i].crowd.size());
              visible += owner != 0 && (note.crowd ? object < 0 : object == note.object);
            }
            wrongVisible += visible != note.visible;
          }
        }
        CHECK(differing == 0);
        CHECK(wrongValues == 0);
        CHECK(wrongVisible == 0);
      }
    }
  }
}

TEST_CASE("options that consume no draws reach the device") {
  gpu::Stream stream = orrery::testing::openStream();
  Options options;
  options.profile = Profile::scene;
  options.upright = true;
  options.fixedTexture = 4;
  options.fixedColour = 6;
  options.fixedClass = 3;
  const auto scenes = scenesOf(options, 7, 6);
  const Tensor pixels = kernels::shapeWorldPixels(stream, drawTable(scenes, options, 9), 64);
  for (std::size_t i = 0; i < scenes.size(); ++i) {
    CHECK(rgbOf(pixels.as<std::uint32_t>().subspan(i * 4096, 4096)) == render(scenes[i], 64, options).rgb);
  }
}
