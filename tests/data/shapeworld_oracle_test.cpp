// A golden hash per profile, split and size, from a second implementation written from the specification
// (tests/oracles/shapeworld_oracle.py): pixels, boxes, areas, flags, captions and questions.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string>

#include "core/base/files.h"
#include "core/data/shapeworld.h"
#include "core/data/shapeworld_questions.h"
#include "tests/support/catch.h"

using namespace orrery;
using namespace orrery::shapeworld;

TEST_CASE("ShapeWorld equals a second implementation in every profile, split and size") {
  constexpr std::array<std::string_view, 3> profiles{"single", "scene", "dense"};
  constexpr std::array<std::string_view, 4> splits{"train", "val", "test", "demo"};
  std::ifstream file(std::string(ORRERY_SOURCE_FOLDER) + "/tests/oracles/shapeworld_expected.txt");
  REQUIRE(file);
  std::string profile, split, pixelSum, textSum;
  int size = 0, lines = 0;
  while (file >> profile >> split >> size >> pixelSum >> textSum) {
    Options options;
    options.seed = 20261121;
    options.profile = static_cast<Profile>(std::find(profiles.begin(), profiles.end(), profile) - profiles.begin());
    options.split = static_cast<Split>(std::find(splits.begin(), splits.end(), split) - splits.begin());
    options.crowd = true;
    options.holdout = true;
    std::uint32_t pixels = 0;
    std::string text;
    for (std::uint32_t i = 0; i < 12; ++i) {
      const Scene scene = makeScene(i, options);
      const Picture picture = render(scene, size, options);
      pixels = crc32(std::as_bytes(std::span(picture.rgb)), pixels);
      for (const Annotation& note : picture.annotations) {
        text += fmt::format("{} {} {} {} {} {} {} {} {} {}\n", note.classId, note.x0, note.y0, note.x1, note.y1, note.area, note.visible,
                            note.difficult ? 1 : 0, note.truncated ? 1 : 0, note.crowd ? 1 : 0);
      }
      const Questions questions = questionsOf(scene, options);
      const Question& asked = questions.forms[static_cast<std::size_t>(questions.asked)];
      text += fmt::format("{}\n{}? {}\n", scene.caption, asked.text, asked.answer);
    }
    INFO(profile << " " << split << " " << size);
    CHECK(fmt::format("{:08x}", pixels) == pixelSum);
    CHECK(fmt::format("{:08x}", crc32(std::as_bytes(std::span(text)))) == textSum);
    ++lines;
  }
  CHECK(lines == 36);
}
