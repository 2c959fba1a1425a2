// Writes the sample figures for looking at: ORRERY_LOOK=<folder> test_export "[.look]". Hidden: it checks only that they can be written.

#include <cstdlib>

#include "app/export/export.h"
#include "core/gpu/device.h"
#include "tests/figure/sample_figures.h"
#include "tests/support/catch.h"

using namespace orrery;

TEST_CASE("The sample figures are written for looking at", "[.look]") {
  const char* folder = std::getenv("ORRERY_LOOK");
  REQUIRE(folder != nullptr);
  struct Sample {
    std::string name;
    Figure figure;
    Vec2 size;
  };
  auto device = gpu::Device::open({});
  REQUIRE(device.hasValue());
  render::Renderer renderer(*device);
  const std::vector<Sample> all{{"canvas", samples::canvasFigure(), {680, 560}}, {"attention", samples::attentionFigure(), {680, 340}},
                                {"detection", samples::detectionFigure(), {680, 280}}, {"field", samples::fieldFigure(), {680, 230}}};
  for (const Sample& sample : all) {
    for (const bool interactive : {false, true}) {
      for (const ThemeKind theme : {ThemeKind::light, ThemeKind::dark}) {
        LayoutOptions options;
        options.interactive = interactive;
        options.theme = theme;
        options.panelLetters = !interactive;
        const Vec2 size = interactive ? Vec2{sample.size.x * 1.3f, sample.size.y * 1.3f} : sample.size;
        const DisplayList list = layOut(sample.figure, size, Fonts::shared(), options).list;
        const std::string path = std::string(folder) + "/" + sample.name + (interactive ? "-window" : "-paper") + (theme == ThemeKind::dark ? "-dark" : "-light");
        exporting::ExportOptions exportOptions;
        exportOptions.pixelsPerLogical = interactive ? 1 : 2;
        CHECK(exporting::writeFigure(list, renderer, path + ".svg", exportOptions).hasValue());
        CHECK(exporting::writeFigure(list, renderer, path + ".png", exportOptions).hasValue());
      }
    }
  }
}
