#include <pugixml.hpp>

#include <fstream>
#include <sstream>

#include "app/export/export.h"
#include "app/export/recipe.h"
#include "tests/figure/sample_figures.h"
#include "tests/support/catch.h"
#include "tests/support/scratch.h"

using namespace orrery;
using orrery::testing::Scratch;

namespace {

std::string contentOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

struct Parsed {
  pugi::xml_document document;
  std::vector<std::string> notes;
  std::vector<pugi::xml_node> all(const char* name) const {
    std::vector<pugi::xml_node> nodes;
    for (const auto& found : document.select_nodes((std::string("//*[local-name()='") + name + "']").c_str())) nodes.push_back(found.node());
    return nodes;
  }
};

Parsed exported(const DisplayList& list, const exporting::ExportOptions& options = {}) {
  const Scratch scratch;
  const std::string path = scratch.path("figure.svg");
  Parsed parsed;
  auto written = exporting::writeSvg(list, path, options);
  REQUIRE(written.hasValue());
  parsed.notes = written->notes;
  REQUIRE(parsed.document.load_file(path.c_str(), pugi::parse_default | pugi::parse_ws_pcdata_single));
  return parsed;
}

DisplayList listOf(const Figure& figure) { return layOut(figure, {680, 400}, Fonts::shared()).list; }

}  // namespace

TEST_CASE("Every sample figure is well-formed SVG with its text as text") {
  for (const Figure& figure : {samples::canvasFigure(), samples::attentionFigure(), samples::detectionFigure(), samples::fieldFigure()}) {
    const DisplayList list = listOf(figure);
    const Parsed svg = exported(list);
    std::size_t words = 0;
    for (const Primitive& item : list.items) words += std::holds_alternative<GlyphItem>(item) && !std::get<GlyphItem>(item).text.empty() ? 1 : 0;
    CHECK(svg.all("text").size() == words);
    CHECK(words > 5);
    CHECK(std::string(svg.document.document_element().attribute("font-family").value()).find("Inter") == 0);
    // Each clip that is used is defined.
    for (const auto& group : svg.all("g")) {
      const std::string clip = group.attribute("clip-path").value();
      if (clip.empty()) continue;
      const std::string id = clip.substr(5, clip.size() - 6);
      CHECK(svg.document.select_node(("//*[@id='" + id + "']").c_str()));
    }
  }
}

TEST_CASE("Text with markup, quotes, runs of spaces, control characters and Chinese survives") {
  DisplayList list;
  list.size = {200, 50};
  const std::string words = "a <b> & \"c\"  'd' \u6CE8\u610F";
  list.items.emplace_back(GlyphItem{words, {10, 20}, HAlign::left, VAlign::baseline, {}, {0, 0, 0, 1}, 0});
  list.items.emplace_back(GlyphItem{"bad \x01 \xFF", {10, 40}, HAlign::left, VAlign::baseline, {}, {0, 0, 0, 1}, 0});
  const Parsed svg = exported(list);
  REQUIRE(svg.all("text").size() == 2);
  CHECK(svg.all("text")[0].text().get() == words);
  CHECK(std::string(svg.all("text")[0].attribute("xml:space").value()) == "preserve");
  CHECK(svg.all("text")[1].text().get() == std::string("bad \uFFFD \uFFFD"));
}

TEST_CASE("Up to the limit points are circles; above it an image, and the notes say so") {
  DisplayList list;
  list.size = {100, 100};
  const auto cloud = [](std::int64_t n) {
    PointItem item;
    std::vector<float> xy;
    for (std::int64_t i = 0; i < n; ++i) xy.insert(xy.end(), {static_cast<float>(i % 100), static_cast<float>(i / 100 % 100)});
    item.xy = Tensor::from({n, 2}, xy);
    item.clip = {0, 0, 100, 100};
    item.color = {1, 0, 0, 1};
    return item;
  };
  list.items = {cloud(exporting::vectorMarkLimit)};
  const Parsed few = exported(list);
  CHECK(few.all("circle").size() == static_cast<std::size_t>(exporting::vectorMarkLimit));
  CHECK(few.notes.empty());
  list.items = {cloud(exporting::vectorMarkLimit + 1)};
  const Parsed many = exported(list);
  CHECK(many.all("circle").empty());
  CHECK(many.all("image").size() == 1);
  REQUIRE(many.notes.size() == 1);
  CHECK(many.notes[0] == "5 001 points drawn as an image");
}

TEST_CASE("A heat map is a PNG whose cells stay sharp in any viewer") {
  const Parsed svg = exported(listOf(samples::attentionFigure()));
  REQUIRE(svg.all("image").size() == 2);                 // the matrix and the colour bar
  const auto image = svg.all("image")[0];
  CHECK(std::string(image.attribute("xlink:href").value()).find("data:image/png;base64,iVBORw0KGgo") == 0);
  CHECK(std::string(image.attribute("preserveAspectRatio").value()) == "none");
  CHECK(std::string(image.attribute("style").value()) == "image-rendering:pixelated");
}

TEST_CASE("Text can be turned into outlines") {
  exporting::ExportOptions options;
  options.textAsOutlines = true;
  const Parsed svg = exported(listOf(samples::attentionFigure()), options);
  CHECK(svg.all("text").empty());
  bool found = false;
  for (const auto& path : svg.all("path")) found = found || std::string(path.attribute("aria-label").value()) == "attention weight";
  CHECK(found);
}

TEST_CASE("A transparent figure has no ground, an ordinary one a white one") {
  LayoutOptions options;
  CHECK(std::string(exported(layOut(samples::attentionFigure(), {300, 200}, Fonts::shared(), options).list).document.document_element().child("rect").attribute("fill").value()) == "#FFFFFF");
  options.transparent = true;
  CHECK(!exported(layOut(samples::attentionFigure(), {300, 200}, Fonts::shared(), options).list).document.document_element().child("rect"));
}

TEST_CASE("The same list gives the same bytes") {
  const Scratch scratch;
  const DisplayList list = listOf(samples::fieldFigure());
  REQUIRE(exporting::writeSvg(list, scratch.path("a.svg"), {}).hasValue());
  REQUIRE(exporting::writeSvg(list, scratch.path("b.svg"), {}).hasValue());
  CHECK(contentOf(scratch.path("a.svg")) == contentOf(scratch.path("b.svg")));
}
