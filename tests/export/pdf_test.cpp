#include <cstdio>
#include <cstdlib>
#include <string>

#include "app/export/export.h"
#include "tests/export/qt_application.h"
#include "tests/figure/sample_figures.h"
#include "tests/support/catch.h"
#include "tests/support/scratch.h"

using namespace orrery;
using orrery::testing::Scratch;

namespace {

std::string outputOf(const std::string& command) {
  std::string output;
  std::FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe);
  char part[4096];
  for (std::size_t n = 0; (n = std::fread(part, 1, sizeof part, pipe)) > 0;) output.append(part, n);
  const int status = ::pclose(pipe);
  CAPTURE(command);
  REQUIRE(status == 0);                                  // pdftotext comes with poppler-utils, which packaging/test.sh installs
  return output;
}

}  // namespace

TEST_CASE("A PDF's text can be extracted: titles, ticks, Greek and Chinese") {
  qtApplication();
  const Scratch scratch;
  const std::string path = scratch.path("figure.pdf");
  REQUIRE(exporting::writePdf(layOut(samples::canvasFigure(), {680, 560}, Fonts::shared()).list, path, {}).hasValue());
  const std::string text = outputOf("pdftotext -layout '" + path + "' -");
  for (const char* words : {"Reverse SDE", "\u03B6", "Distance to the exact density at t", "time t (data at 0)", "ODE remembers", "sampling noise", "0.25"}) {
    CAPTURE(words, text);
    CHECK(text.find(words) != std::string::npos);
  }
  const std::string other = scratch.path("other.pdf");
  REQUIRE(exporting::writePdf(layOut(samples::fieldFigure(), {680, 230}, Fonts::shared()).list, other, {}).hasValue());
  // Qt maps a glyph back to the first character that has it, for some Chinese ones a Kangxi radical: equal after compatibility normalisation.
  const QString chinese = QString::fromStdString(outputOf("pdftotext '" + other + "' -")).normalized(QString::NormalizationForm_KC);
  CHECK(chinese.contains(QString::fromUtf8("\u6CE8\u610F\u529B\u8FDE\u7EBF")));
}

TEST_CASE("A PDF page has the size of the figure") {
  qtApplication();
  const Scratch scratch;
  const std::string path = scratch.path("figure.pdf");
  REQUIRE(exporting::writePdf(layOut(samples::attentionFigure(), {680, 340}, Fonts::shared()).list, path, {}).hasValue());
  const std::string text = outputOf("pdfinfo '" + path + "'");
  CAPTURE(text);
  CHECK(text.find("510 x 255 pts") != std::string::npos);    // 680 px = 510 pt
  CHECK(text.find("Pages:           1") != std::string::npos);
}

TEST_CASE("With outlines a PDF holds no text") {
  qtApplication();
  const Scratch scratch;
  const std::string path = scratch.path("figure.pdf");
  exporting::ExportOptions options;
  options.textAsOutlines = true;
  REQUIRE(exporting::writePdf(layOut(samples::attentionFigure(), {680, 340}, Fonts::shared()).list, path, options).hasValue());
  CHECK(outputOf("pdftotext '" + path + "' -").find("attention") == std::string::npos);
}

TEST_CASE("A large cloud becomes an image in a PDF and the notes say so") {
  qtApplication();
  const Scratch scratch;
  const auto written = exporting::writePdf(layOut(samples::canvasFigure(6000, 20), {680, 560}, Fonts::shared()).list, scratch.path("figure.pdf"), {});
  REQUIRE(written.hasValue());
  REQUIRE(written->notes.size() == 2);
  CHECK(written->notes[0] == "6 000 points drawn as an image");
}

TEST_CASE("A figure without a size is refused") {
  qtApplication();
  DisplayList list;
  const auto written = exporting::writePdf(list, "figure.pdf", {});
  REQUIRE(!written.hasValue());
  CHECK(written.error().code == ErrorCode::usage);
}
