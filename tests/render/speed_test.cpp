// How long a frame takes. Hidden: run with "[.speed]"; the limits are those of a slow machine (two CPU cores under lavapipe).
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "tests/render/scene.h"

using namespace orrery;
using namespace orrery::testing;

namespace {

// The flagship picture: two panels of particles with trails, text, cards, on 1280 x 720.
DisplayList particlePicture(int particles, int lines, int steps, bool cards) {
  DisplayList list = blank(1280, 720, {15 / 255.0f, 17 / 255.0f, 21 / 255.0f, 1});
  std::uint32_t state = 1;
  const auto random = [&state] {
    state = state * 1664525u + 1013904223u;
    return static_cast<float>(state >> 8) / 16777216.0f;
  };
  for (int panel = 0; panel < 2; ++panel) {
    const Rect area{20.0f + 630.0f * static_cast<float>(panel), 40, 610, 420};
    if (cards) {
      PathItem card;
      card.lines = {{{area.x, area.y - 30}, {area.right(), area.y - 30}, {area.right(), area.bottom()}, {area.x, area.bottom()}}};
      card.closed = card.hasFill = card.hasStroke = true;
      card.cornerRadius = 6;
      card.fill = {27 / 255.0f, 30 / 255.0f, 36 / 255.0f, 1};
      card.stroke = {{46 / 255.0f, 51 / 255.0f, 61 / 255.0f, 1}, 1, {}};
      list.items.push_back(card);
    }
    list.items.push_back(ClipItem{area, false});
    if (lines > 0) {
      std::vector<float> xy(static_cast<std::size_t>(steps) * static_cast<std::size_t>(lines) * 2);
      for (int line = 0; line < lines; ++line) {
        float x = random() * 2 - 1, y = random() * 2 - 1;
        for (int step = 0; step < steps; ++step) {
          const std::size_t i = 2 * (static_cast<std::size_t>(step) * static_cast<std::size_t>(lines) + static_cast<std::size_t>(line));
          xy[i] = x;
          xy[i + 1] = y;
          x += (random() - 0.5f) * 0.08f;
          y += (random() - 0.5f) * 0.08f;
        }
      }
      BundleItem trails;
      trails.xy = Tensor::from(Shape{steps, lines, 2}, xy);
      trails.stepCount = steps;
      trails.transform = {280, area.x + 305, -200, area.y + 210};
      trails.clip = area;
      trails.width = 1;
      trails.color = panel ? Color{0.43f, 0.66f, 1, 0.6f} : Color{0.95f, 0.7f, 0.36f, 0.6f};
      trails.fade = true;
      list.items.push_back(trails);
    }
    std::vector<float> xy;
    for (int i = 0; i < particles; ++i) {
      const float angle = 6.2831853f * std::floor(random() * 8) / 8, r = 0.1f * std::sqrt(random()), phi = 6.2831853f * random();
      xy.insert(xy.end(), {0.8f * std::cos(angle) + r * std::cos(phi), 0.8f * std::sin(angle) + r * std::sin(phi)});
    }
    PointItem points;
    points.xy = Tensor::from(Shape{particles, 2}, xy);
    points.transform = {280, area.x + 305, -200, area.y + 210};
    points.clip = area;
    points.radius = 1.5f;
    points.color = {0.9f, 0.91f, 0.93f, 0.8f};
    list.items.push_back(points);
    list.items.push_back(ClipItem{{}, true});
  }
  for (int i = 0; i < 40; ++i) {
    list.items.push_back(GlyphItem{"label " + std::to_string(i),
                                   {20 + 30 * static_cast<float>(i), 500 + 5 * static_cast<float>(i % 8)},
                                   HAlign::left,
                                   VAlign::baseline,
                                   TextStyle{},
                                   {0.6f, 0.64f, 0.7f, 1},
                                   0});
  }
  return list;
}

double millisecondsOf(render::Renderer& renderer, const DisplayList& list) {
  for (int i = 0; i < 3; ++i) (void)renderer.draw(list);
  double best = 1e9;
  for (int i = 0; i < 15; ++i) {
    const auto start = std::chrono::steady_clock::now();
    (void)renderer.draw(list);
    best = std::min(best, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace

TEST_CASE("frames of many particles are drawn in time", "[.speed]") {
  auto device = gpu::Device::open();  // without the validation layer, unless ORRERY_VALIDATION asks for it
  REQUIRE(device);
  render::Renderer renderer(*device);
  const struct {
    const char* name;
    int particles, lines, steps;
    bool cards;
  } cases[] = {{"empty", 1, 0, 0, false},
               {"cards + text", 1, 0, 0, true},
               {"2 x 4096 points", 4096, 0, 0, false},
               {"2 x 100 trails x 128", 1, 100, 128, false},
               {"all of it", 4096, 100, 128, true},
               {"2 x 65536 points", 65536, 0, 0, true}};
  for (const auto& c : cases) {
    if (const char* folder = std::getenv("ORRERY_TEST_PICTURES")) {
      const auto pixels = renderer.draw(particlePicture(c.particles, c.lines, c.steps, c.cards));
      std::FILE* file = std::fopen((std::string(folder) + "/" + c.name + ".ppm").c_str(), "wb");
      std::fprintf(file, "P6 %d %d 255\n", pixels.width, pixels.height);
      for (std::size_t i = 0; i < pixels.rgba.size(); i += 4) std::fwrite(&pixels.rgba[i], 1, 3, file);
      std::fclose(file);
    }
    std::printf("%-24s %7.2f ms with readback\n", c.name,
                millisecondsOf(renderer, particlePicture(c.particles, c.lines, c.steps, c.cards)));
  }
  CHECK(millisecondsOf(renderer, particlePicture(4096, 100, 128, true)) < 12);
  CHECK(millisecondsOf(renderer, particlePicture(65536, 0, 0, true)) < 60);
}

// One picture again and again, for a profiler: ORRERY_TEST_CASE=cards|trails|points|all|many|nearest|smooth.
TEST_CASE("frames for a profiler", "[.profile]") {
  auto device = gpu::Device::open();
  REQUIRE(device);
  render::Renderer renderer(*device);
  const char* set = std::getenv("ORRERY_TEST_CASE");
  const std::string which = set ? set : "all";
  const DisplayList list = particlePicture(which == "many"                         ? 65536
                                           : which == "trails" || which == "cards" ? 1
                                                                                   : 4096,
                                           which == "trails" || which == "all" ? 100 : 0, 128, true);
  DisplayList images = blank(1280, 720);
  for (int panel = 0; panel < 2; ++panel) {
    ImageItem image;
    std::vector<float> values(128 * 128);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 977) / 977;
    image.data = Tensor::from(Shape{128, 128}, values);
    image.to = {20 + 630.0f * static_cast<float>(panel), 40, 610, 420};
    image.smooth = which == "smooth";
    image.alphaFromValue = which == "smooth";
    images.items.push_back(image);
  }
  const auto beforeFirst = std::chrono::steady_clock::now();
  (void)renderer.draw(list);
  std::printf("first frame %.1f ms\n", std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - beforeFirst).count());
  const bool hasImages = which == "smooth" || which == "nearest";
  const std::clock_t start = std::clock();
  const auto wall = std::chrono::steady_clock::now();
  const int frames = which == "many" ? 20 : 100;
  for (int i = 0; i < frames; ++i) (void)renderer.draw(hasImages ? images : list);
  std::printf("%s: %.2f CPU ms, %.2f wall ms per frame\n", which.c_str(),
              1000.0 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC / frames,
              std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - wall).count() / frames);
  CHECK(renderer.draw(list).width == 1280);
}
