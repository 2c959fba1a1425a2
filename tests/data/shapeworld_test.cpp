// ShapeWorld v1 is the same picture everywhere: golden checksums, counts and captions from its specification (seed 1).

#include "core/data/shapeworld.h"

#include <array>
#include <map>
#include <set>
#include <string>

#include "core/base/files.h"
#include "core/base/philox.h"
#include "tests/support/catch.h"

using namespace orrery;
using namespace orrery::shapeworld;

namespace {

Options optionsOf(Profile profile, Split split = Split::train) {
  Options options;
  options.profile = profile;
  options.split = split;
  return options;
}

std::uint32_t checksum(Profile profile, std::uint32_t index, int size) {
  const Options options = optionsOf(profile);
  const Picture picture = render(makeScene(index, options), size, options);
  return crc32(std::as_bytes(std::span(picture.rgb)));
}

}  // namespace

TEST_CASE("Philox gives the words of the Random123 known answers") {
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) == PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("ShapeWorld pictures have the golden checksums at every size") {
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
    for (std::size_t s = 0; s < 3; ++s) {
      INFO("profile " << static_cast<int>(golden.profile) << " index " << golden.index << " size " << (32 << s));
      CHECK(checksum(golden.profile, golden.index, 32 << s) == golden.crc[s]);
    }
  }
}

TEST_CASE("ShapeWorld scenes hold the specified objects, boxes, areas and captions") {
  const Options single = optionsOf(Profile::single);
  const Scene first = makeScene(0, single);
  CHECK(first.caption == "a medium red square");
  REQUIRE(first.objects.size() == 1);
  CHECK(first.objects[0].radius == 262);
  CHECK(first.objects[0].cx == 461);
  CHECK(first.objects[0].cy == 1161);
  CHECK(first.objects[0].angle == 33);
  const Annotation box = render(first, 64, single).annotations.at(0);
  CHECK(std::array{box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0, box.area} == std::array{8, 30, 13, 13, 138});

  const Scene second = makeScene(1, single);
  CHECK(second.caption == "an orange star");
  CHECK(second.texture == Texture::noisy);
  const Annotation star = render(second, 64, single).annotations.at(0);
  CHECK(std::array{star.x0, star.y0, star.x1 - star.x0, star.y1 - star.y0, star.area} == std::array{26, 3, 24, 26, 239});

  const Options sceneOptions = optionsOf(Profile::scene);
  const Scene third = makeScene(1, sceneOptions);
  CHECK(third.caption == "a medium white star");
  const auto notes = render(third, 64, sceneOptions).annotations;
  REQUIRE(notes.size() == 3);
  CHECK(std::array{notes[0].area, notes[1].area, notes[2].area} == std::array{86, 40, 529});
  CHECK(std::array{notes[0].visible, notes[1].visible, notes[2].visible} == std::array{84, 40, 529});

  const Options dense = optionsOf(Profile::dense);
  const Scene crowdless = makeScene(1, dense);
  REQUIRE(crowdless.objects.size() == 7);
  const Object& last = crowdless.objects.back();
  CHECK(last.shape == ShapeClass::circle);
  CHECK(colourNames[static_cast<std::size_t>(last.colour)] == "cyan");
  CHECK(std::array{last.radius, last.cx, last.cy} == std::array{193, 192, 1433});
  const Annotation cyan = annotate(crowdless, 64).back();
  CHECK(std::array{cyan.x0, cyan.y0, cyan.x1 - cyan.x0, cyan.y1 - cyan.y0} == std::array{0, 39, 12, 12});
}

TEST_CASE("ShapeWorld draws have the specified counts") {
  std::array<int, 4> classes{};
  std::array<int, 8> colours{};
  std::array<int, 3> sizes{};
  std::array<int, 6> textures{};
  for (std::uint32_t i = 0; i < 10000; ++i) {
    const Scene scene = makeScene(i, optionsOf(Profile::single));
    ++classes[static_cast<std::size_t>(scene.objects.at(0).shape)];
    ++colours[static_cast<std::size_t>(scene.objects[0].colour)];
    ++sizes[static_cast<std::size_t>(scene.objects[0].size)];
    ++textures[static_cast<std::size_t>(scene.texture)];
  }
  CHECK(classes == std::array{2477, 2495, 2478, 2550});
  CHECK(colours == std::array{1256, 1220, 1242, 1273, 1262, 1235, 1251, 1261});
  CHECK(sizes == std::array{3363, 3263, 3374});
  CHECK(textures == std::array{1776, 1613, 1645, 1645, 1687, 1634});

  std::size_t sceneObjects = 0, denseObjects = 0;
  int sceneDropped = 0, denseDropped = 0, crowds = 0, firstCrowd = -1;
  Options crowded = optionsOf(Profile::dense, Split::val);
  crowded.crowd = true;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    const Scene scene = makeScene(i, optionsOf(Profile::scene, Split::val));
    sceneObjects += scene.objects.size();
    sceneDropped += scene.dropped;
    const Scene dense = makeScene(i, crowded);
    denseObjects += dense.objects.size();
    denseDropped += dense.dropped;
    if (!dense.crowd.empty()) {
      ++crowds;
      if (firstCrowd < 0) firstCrowd = static_cast<int>(i);
    }
  }
  CHECK(sceneObjects == 2382);
  CHECK(sceneDropped == 114);
  CHECK(denseObjects == 8104);
  CHECK(denseDropped == 43);
  CHECK(crowds == 122);
  CHECK(firstCrowd == 11);
  const Scene crowd = makeScene(11, crowded);
  CHECK(crowd.crowd.at(0).shape == ShapeClass::triangle);
  CHECK(colourNames[static_cast<std::size_t>(crowd.crowd[0].colour)] == "orange");
  CHECK(crowd.crowd[0].cx == 1271 + 220);
  CHECK(crowd.crowd[0].cy == 874);
}

TEST_CASE("ShapeWorld captions have 708 distinct texts in 20 000 scenes and stay inside the vocabulary") {
  std::set<std::string> texts;
  for (std::uint32_t i = 0; i < 20000; ++i) {
    const Scene scene = makeScene(i, optionsOf(Profile::single));
    if (texts.insert(scene.caption).second) {
      const auto tokens = tokenize(scene.caption);
      CHECK(tokens[0] == 1);
      for (const int token : tokens) CHECK(token != 4);
    }
  }
  CHECK(texts.size() == 708);
}

TEST_CASE("two ShapeWorld captions coincide as often as their templates say") {
  const auto coincidence = [](unsigned templates) {
    constexpr int n = 20000;
    std::map<std::string, double> counts;
    Options options = optionsOf(Profile::single);
    options.templates = templates;
    for (std::uint32_t i = 0; i < n; ++i) ++counts[makeScene(i, options).caption];
    double pairs = 0;
    for (const auto& [text, count] : counts) pairs += count * (count - 1);
    return pairs / n / (n - 1);
  };
  // All templates: T0 has 32 texts, T1 (and T3, which reads as T1) 96, T2 576, T4 6: (1/32 + 4/96 + 1/576 + 1/6) / 25 = 0.00965. The estimate from
  // 20,000 captions has a standard error of 0.00017; the specification's figure is that estimate, rounded.
  CHECK(coincidence(31) == Approx(0.0095).margin(0.00005));
  CHECK(coincidence(31) == Approx(0.00965).margin(4 * 0.00017));
  // T2 only: 1/576; equal chances leave a standard error of 3e-6.
  CHECK(coincidence(4) == Approx(1.0 / 576).margin(1.2e-5));
}

TEST_CASE("ShapeWorld options consume no draws") {
  Options plain = optionsOf(Profile::dense, Split::val), upright = plain;
  upright.upright = true;
  upright.fixedColour = 3;
  upright.crowd = true;
  const Scene a = makeScene(11, plain), b = makeScene(11, upright);
  REQUIRE(a.objects.size() == b.objects.size());
  for (std::size_t i = 0; i < a.objects.size(); ++i) {
    CHECK(a.objects[i].cx == b.objects[i].cx);
    CHECK(a.objects[i].shape == b.objects[i].shape);
    CHECK(b.objects[i].angle == 0);
    CHECK(b.objects[i].colour == 3);
  }
  Options held = optionsOf(Profile::single);
  held.holdout = true;
  for (std::uint32_t i = 0; i < 2000; ++i) {
    const Object o = makeScene(i, held).objects.at(0);
    CHECK(o.colour != (3 * static_cast<int>(o.shape) + 1) % 8);
  }
}
