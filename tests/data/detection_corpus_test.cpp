// Every malformed COCO, VOC and YOLO input of the checklist has one generated file here, and gets its code and one clear sentence within a second.

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/base/file_format.h"
#include "core/base/registry.h"
#include "core/data/coco.h"
#include "core/data/detection_csv.h"
#include "core/data/detections_formats.h"
#include "core/data/voc.h"
#include "core/data/yolo.h"
#include "tests/support/catch.h"

using namespace orrery;
namespace fs = std::filesystem;

namespace {

bool contains(const std::string& text, const std::string& what) { return text.find(what) != std::string::npos; }

// Runs within the deadline of one second; generous machines need a hundredth of it.
template <class Run>
auto timed(const Run& run) {
  const auto start = std::chrono::steady_clock::now();
  auto result = run();
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(1));
  return result;
}

template <class T>
void checkRefused(const Expected<T>& result, const std::string& id, const std::string& message) {
  REQUIRE_FALSE(result.hasValue());
  CHECK(result.error().id == id);
  INFO(result.error().message);
  CHECK(contains(result.error().message, message));
}

void checkNote(const std::vector<std::string>& notes, const std::string& id, const std::string& message) {
  bool found = false;
  std::string all;
  for (const auto& note : notes) {
    all += note + "\n";
    found = found || (contains(note, "[" + id + "]") && contains(note, message));
  }
  INFO("wanted " << id << ": " << message << "\nnotes:\n" << all);
  CHECK(found);
}

const std::string images = R"("images":[{"id":1,"file_name":"a.jpg","width":640,"height":480},{"id":2,"file_name":"b.jpg","width":640,"height":480}])";
const std::string categories = R"("categories":[{"id":1,"name":"cat"},{"id":2,"name":"dog"}])";

std::string dataset(const std::string& annotations) { return "{" + images + "," + categories + ",\"annotations\":[" + annotations + "]}"; }
std::string annotation(const std::string& extra) { return R"({"image_id":1,"category_id":1,"area":100,"iscrowd":0,)" + extra + "}"; }
const std::string good = annotation(R"("id":1,"bbox":[10,10,20,20])");

std::string nested(int depth, const std::string& open, const std::string& close) {
  std::string text;
  for (int i = 0; i < depth; ++i) text += open;
  for (int i = 0; i < depth; ++i) text += close;
  return text;
}

struct Folder {
  fs::path path;
  explicit Folder(const char* name) : path(fs::temp_directory_path() / (std::string("orrery-corpus-") + name)) {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() {
    std::error_code failure;
    fs::remove_all(path, failure);
  }
  std::string write(const std::string& name, const std::string& content) const {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name, std::ios::binary) << content;
    return (path / name).string();
  }
};

std::string vocObject(const std::string& inside) { return "<object><name>cat</name>" + inside + "</object>"; }
std::string bndbox(const std::string& a, const std::string& b, const std::string& c, const std::string& d) {
  return "<bndbox><xmin>" + a + "</xmin><ymin>" + b + "</ymin><xmax>" + c + "</xmax><ymax>" + d + "</ymax></bndbox>";
}
std::string voc(const std::string& inside) {
  return "<annotation><filename>a.jpg</filename><size><width>100</width><height>100</height><depth>3</depth></size>" + inside + "</annotation>";
}

}  // namespace

TEST_CASE("COCO: each row of the checklist is answered") {
  SECTION("01 not a list and not a dataset") {
    for (const char* text : {"", "{}", "5", "\"x\"", "  \n", "null"}) {
      checkRefused(timed([&] { return parseCocoGroundTruth(text); }), "E-CO-01", "expected a list of detections or a dataset object");
    }
    checkRefused(parseCocoResults("{}"), "E-CO-01", "expected a list of detections");
    checkRefused(parseCocoResults("[5]"), "E-CO-01", "detection 1 is not an object");
  }
  SECTION("02 truncated at every byte") {
    const std::string text = dataset(good + "," + annotation(R"("id":2,"bbox":[1e1,10,20.5,20],"segmentation":[[1,2,3,4,5,6]],"note":"\u00e9\n",)" R"("flag":true,"none":null)"));
    REQUIRE(parseCocoGroundTruth(text).hasValue());
    for (std::size_t n = 1; n < text.size(); ++n) {
      const auto result = parseCocoGroundTruth(std::string_view(text).substr(0, n));
      REQUIRE_FALSE(result.hasValue());
      INFO(n << ": " << result.error().message);
      CHECK(result.error().id == "E-CO-02");
      CHECK(contains(result.error().message, "JSON ends at byte"));
    }
    const std::string list = R"([{"image_id":1,"category_id":1,"bbox":[1,2,3,4],"score":0.5},{"image_id":1,"category_id":1,"bbox":[1,2,3,4],"score":0.25}])";
    REQUIRE(parseCocoResults(list).hasValue());
    for (std::size_t n = 1; n < list.size(); ++n) checkRefused(parseCocoResults(std::string_view(list).substr(0, n)), "E-CO-02", "JSON ends at byte");
    checkRefused(parseCocoResults(std::string_view(list).substr(0, 100)), "E-CO-02", "JSON ends at byte 100 inside detection 2");
  }
  SECTION("03 nested 10 000 deep") {
    checkRefused(timed([&] { return parseCocoGroundTruth("{\"info\":" + nested(10000, "[", "]") + "}"); }), "E-CO-03", "nested deeper than 64");
    checkRefused(timed([&] { return parseCocoGroundTruth("{\"info\":" + nested(10000, "{\"a\":", "}") + "}"); }), "E-CO-03", "nested deeper than 64");
    checkRefused(timed([&] { return parseCocoResults(nested(10000, "[", "]")); }), "E-CO-01", "expected a list of detections");
    checkRefused(timed([&] { return parseCocoResults("[{\"x\":" + nested(10000, "[", "]") + "}]"); }), "E-CO-03", "nested deeper than 64");
  }
  SECTION("04 ids that appear twice") {
    checkRefused(parseCocoGroundTruth(R"({"images":[{"id":7},{"id":7}],"annotations":[],"categories":[]})"), "E-CO-04", "image id 7 appears twice");
    checkRefused(parseCocoGroundTruth(R"({"images":[],"annotations":[],"categories":[{"id":3,"name":"a"},{"id":3,"name":"b"}]})"), "E-CO-04", "category id 3 appears twice");
    checkRefused(parseCocoGroundTruth(dataset(good + "," + good)), "E-CO-04", "annotation id 1 appears twice");
  }
  SECTION("05 boxes of unknown images and categories") {
    const auto truth = parseCocoGroundTruth(dataset(good + R"(,{"id":2,"image_id":99,"category_id":1,"bbox":[1,1,2,2],"area":4})" +
                                                    R"(,{"id":3,"image_id":1,"category_id":9,"bbox":[1,1,2,2],"area":4})"));
    REQUIRE(truth.hasValue());
    CHECK(truth->boxes.size() == 1);
    checkNote(truth->notes, "E-CO-05", "1 boxes refer to unknown images (first: annotation 2)");
    checkNote(truth->notes, "E-CO-05", "1 boxes refer to unknown categories (first: annotation 3)");
  }
  SECTION("06 bbox of another shape") {
    const std::pair<const char*, const char*> cases[] = {{"[1,2,3]", "found 3"}, {"[1,2,3,4,5]", "found 5"}, {R"(["1",2,3,4])", "bbox needs 4 numbers"},
                                                         {"null", "bbox needs 4 numbers"}, {"[[1,2],[3,4]]", "bbox needs 4 numbers"}, {"[1,2,null,4]", "bbox needs 4 numbers"}};
    for (const auto& [box, message] : cases) {
      const auto result = parseCocoGroundTruth(dataset(good + "," + annotation(std::string(R"("id":2,"bbox":)") + box)));
      checkRefused(result, "E-CO-06", message);
      CHECK(contains(result.error().message, "annotation 2: bbox needs 4 numbers"));
    }
    checkRefused(parseCocoGroundTruth(dataset(annotation(R"("id":2)"))), "E-CO-06", "annotation 1: bbox needs 4 numbers");
  }
  SECTION("07 numbers that are no sizes") {
    for (const char* box : {"[NaN,1,2,2]", "[1,Infinity,2,2]", "[1,1,1e400,2]", "[1,1,-Infinity,2]"}) {
      const auto truth = parseCocoGroundTruth(dataset(good + "," + annotation(std::string(R"("id":2,"bbox":)") + box)));
      REQUIRE(truth.hasValue());
      CHECK(truth->boxes.size() == 1);
      checkNote(truth->notes, "E-CO-07", "annotation 2");
    }
    for (const char* box : {"[1,1,0,2]", "[1,1,-3,2]", "[1,1,-0,2]"}) {
      const auto truth = parseCocoGroundTruth(dataset(good + "," + annotation(std::string(R"("id":2,"bbox":)") + box)));
      REQUIRE(truth.hasValue());
      CHECK(truth->boxes.size() == 1);
      checkNote(truth->notes, "E-CO-07", "annotation 2: width must be > 0");
    }
    checkRefused(parseCocoResults(R"([{"image_id":1,"category_id":1,"bbox":[1,1,2,2],"score":NaN}])"), "E-CO-07", "detection 1: score must be a finite number");
    checkRefused(parseCocoResults(R"([{"image_id":1,"category_id":1,"bbox":[1,NaN,2,2],"score":0.5}])"), "E-CO-07", "detection 1");
  }
  SECTION("08 a box outside its image") {
    const auto truth = parseCocoGroundTruth(dataset(annotation(R"("id":1,"bbox":[630,10,20,20])")));
    REQUIRE(truth.hasValue());
    CHECK(truth->boxes.at(0).width == 20);   // never clipped
    checkNote(truth->notes, "E-CO-08", "1 boxes reach outside their image");
  }
  SECTION("09 scores missing or out of range") {
    const std::string list = "[" + good + "]";
    checkRefused(parseCocoResults(list), "E-CO-09", "has no score");
    const auto truth = parseCocoGroundTruth(list);
    REQUIRE(truth.hasValue());
    checkNote(truth->notes, "E-CO-09", "no scores: treated as ground truth");
    CHECK(truth->boxes.size() == 1);
    const auto percent = parseCocoResults(R"([{"image_id":1,"category_id":1,"bbox":[1,1,2,2],"score":87}])");
    REQUIRE(percent.hasValue());
    checkNote(percent->notes, "E-CO-09", "score 87 > 1");
  }
  SECTION("10 ids that are no integers") {
    for (const char* id : {"1.5", "9223372036854775808", "-4", "\"abc\"", "null", "true", "[1]", "1e3"}) {
      INFO(id);
      checkRefused(parseCocoGroundTruth(dataset(annotation(std::string(R"("bbox":[1,1,2,2],"id":)") + id))), "E-CO-10", "id must be an integer");
    }
    const auto truth = parseCocoGroundTruth(dataset(annotation(R"("bbox":[1,1,2,2],"id":"123")")));
    REQUIRE(truth.hasValue());
    CHECK(truth->boxes.at(0).id == 123);
    checkNote(truth->notes, "E-CO-10", "1 ids are not plain integers but were understood");
  }
  SECTION("11 masks that do not fill the picture") {
    for (const char* mask : {R"({"counts":[1,2,3],"size":[480,640]})", R"({"counts":[-1,307201],"size":[480,640]})", R"({"counts":"!!","size":[480,640]})",
                             R"({"counts":"","size":[0,0]})", R"({"counts":[4],"size":[2147483648,2]})", R"({"counts":"0Y~","size":[480,640]})"}) {
      INFO(mask);
      const auto truth = parseCocoGroundTruth(dataset(annotation(std::string(R"("id":9,"bbox":[1,1,2,2],"segmentation":)") + mask)));
      REQUIRE(truth.hasValue());
      CHECK(truth->boxes.size() == 1);
      checkNote(truth->notes, "E-CO-11", "does not fill");
    }
    const auto clean = parseCocoGroundTruth(dataset(annotation(R"("id":9,"bbox":[1,1,2,2],"segmentation":{"counts":[307200],"size":[480,640]})")));
    REQUIRE(clean.hasValue());
    CHECK(clean->notes.empty());
  }
  SECTION("12 polygons without pairs") {
    for (const char* polygon : {"[[1,2,3,4,5]]", "[[1,2,3,4]]", "[1,2,3,4,5,6]", R"([["a",2,3,4,5,6]])"}) {
      const auto truth = parseCocoGroundTruth(dataset(annotation(std::string(R"("id":9,"bbox":[1,1,2,2],"segmentation":)") + polygon)));
      REQUIRE(truth.hasValue());
      checkNote(truth->notes, "E-CO-12", "polygon needs x,y pairs");
    }
  }
  SECTION("13 file names that are paths") {
    for (const char* name : {"../x", "/etc/passwd", "http://a/b.jpg", "a\\u0000b"}) {
      const auto truth = parseCocoGroundTruth(std::string(R"({"images":[{"id":1,"file_name":")") + name + R"("}],"categories":[],"annotations":[]})");
      REQUIRE(truth.hasValue());
      checkNote(truth->notes, "E-CO-13", "only shown as text");
    }
  }
  SECTION("14 odd category names") {
    const auto truth = parseCocoGroundTruth(R"({"images":[],"annotations":[],"categories":[{"id":1,"name":"cat"},{"id":2,"name":"cat"},{"id":3,"name":"a\u0007b"},{"id":4,"name":")" +
                                            std::string(1 << 20, 'x') + "\"}]}");
    REQUIRE(truth.hasValue());
    CHECK(truth->classes[1].name == "cat (2)");
    CHECK(truth->classes[2].name == "a\\x07b");
    CHECK(truth->classes[3].name.size() < 100);
    checkNote(truth->notes, "E-CO-14", "appear twice and were numbered");
  }
  SECTION("15 a long read reports progress and can be cancelled") {
    std::string list = "[";
    for (int i = 0; i < 30000; ++i) list += std::string(i == 0 ? "" : ",") + R"({"image_id":1,"category_id":1,"bbox":[1,2,3,4],"score":0.5})";
    DetectionReadOptions options;
    int calls = 0;
    options.progress = [&](double share) {
      CHECK(share <= 1);
      return ++calls < 2;
    };
    const auto result = timed([&] { return parseCocoResults(list + "]", options); });
    REQUIRE_FALSE(result.hasValue());
    CHECK(result.error().code == ErrorCode::cancelled);
  }
  SECTION("16 other encodings") {
    std::string wide = "\xFF\xFE";
    for (const char c : dataset(good)) wide += {c, '\0'};
    checkRefused(parseCocoGroundTruth(wide), "E-CO-16", "file is UTF-16, expected UTF-8");
    const auto marked = parseCocoGroundTruth("\xEF\xBB\xBF" + dataset(good));
    REQUIRE(marked.hasValue());
    checkNote(marked->notes, "E-CO-16", "byte order mark");
    const auto latin = parseCocoGroundTruth("{\"images\":[],\"annotations\":[],\"categories\":[{\"id\":1,\"name\":\"caf\xE9\"}]}");
    REQUIRE(latin.hasValue());
    CHECK(latin->classes[0].name == "caf\\xe9");
  }
  SECTION("17 corners instead of sizes") {
    std::string list;
    for (int i = 1; i <= 8; ++i) list += (i == 1 ? "" : ",") + annotation("\"id\":" + std::to_string(i) + ",\"bbox\":[300,300,400,450]");
    const auto truth = parseCocoGroundTruth(dataset(list));
    REQUIRE(truth.hasValue());
    checkNote(truth->notes, "E-CO-17", "look like x1, y1, x2, y2");
  }
  SECTION("18 a key twice") {
    checkRefused(parseCocoGroundTruth(dataset(good + "," + annotation(R"("id":2,"bbox":[1,1,2,2],"bbox":[1,1,2,2])"))), "E-CO-18", "key 'bbox' twice in annotation 2");
  }
}

TEST_CASE("VOC: each row of the checklist is answered") {
  SECTION("01 no XML") {
    for (const char* text : {"", "\x89PNG\r\n", "{\"a\":1}"}) checkRefused(parseVocAnnotation(text), "E-VX-01", "not an XML annotation");
  }
  SECTION("02 truncated at every byte, mismatched tags") {
    const std::string text = voc(vocObject(bndbox("1", "2", "30", "40")));
    REQUIRE(parseVocAnnotation(text).hasValue());
    for (std::size_t n = 1; n < text.size(); ++n) {
      const auto result = parseVocAnnotation(std::string_view(text).substr(0, n));
      REQUIRE_FALSE(result.hasValue());
      CHECK(result.error().id.starts_with("E-VX-"));
    }
    checkRefused(parseVocAnnotation("<annotation>\n<size></annotation>"), "E-VX-02", "line 2, column");
  }
  SECTION("03, 04 document types and external entities") {
    checkRefused(timed([&] { return parseVocAnnotation("<!DOCTYPE lolz [<!ENTITY a \"b\"><!ENTITY c \"&a;&a;\">]><annotation>&c;</annotation>"); }), "E-VX-03",
                 "document types are not allowed");
    checkRefused(parseVocAnnotation("<?xml version=\"1.0\"?><!DOCTYPE a SYSTEM \"file:///etc/passwd\"><annotation/>"), "E-VX-04", "document types are not allowed");
  }
  SECTION("05 100 000 nested elements") {
    checkRefused(timed([&] { return parseVocAnnotation("<annotation>" + nested(100000, "<a>", "</a>") + "</annotation>"); }), "E-VX-05", "nested deeper than 64");
  }
  SECTION("06 image size missing or absurd") {
    for (const char* size : {"", "<size><width>0</width><height>10</height></size>", "<size><width>-5</width><height>10</height></size>", "<size><width>big</width></size>"}) {
      const auto result = parseVocAnnotation(std::string("<annotation>") + size + vocObject(bndbox("1", "1", "5", "5")) + "</annotation>");
      REQUIRE(result.hasValue());
      CHECK(result->objects.size() == 1);
      checkNote(result->notes, "E-VX-06", "image size unknown");
    }
  }
  SECTION("07 coordinates out of order or no numbers") {
    const std::string one = vocObject(bndbox("1", "1", "5", "5"));
    checkRefused(parseVocAnnotation(voc(one + one + vocObject(bndbox("50", "1", "20", "9")))), "E-VX-07", "object 3: xmin 50 > xmax 20");
    for (const char* value : {"NaN", "12px", "1e309", "0,5", "0x10"}) {
      INFO(value);
      checkRefused(parseVocAnnotation(voc(vocObject(bndbox(value, "1", "20", "9")))), "E-VX-07", "object 1: xmin");
    }
    const auto equal = parseVocAnnotation(voc(vocObject(bndbox("20", "1", "20", "9"))));
    REQUIRE(equal.hasValue());
    checkNote(equal->notes, "E-VX-07", "one pixel wide");
  }
  SECTION("08 outside the image; the 1-based edge is inside") {
    const auto result = parseVocAnnotation(voc(vocObject(bndbox("1", "1", "101", "9"))));
    REQUIRE(result.hasValue());
    checkNote(result->notes, "E-VX-08", "reach outside the image");
    const auto edge = parseVocAnnotation(voc(vocObject(bndbox("1", "1", "100", "100"))));
    REQUIRE(edge.hasValue());
    CHECK(edge->notes.empty());
    CHECK(edge->objects[0].x == 0);
    CHECK(edge->objects[0].width == 100);
  }
  SECTION("09 objects without name or box, or with two boxes") {
    const std::string box = bndbox("1", "1", "5", "5");
    checkRefused(parseVocAnnotation(voc(vocObject(box) + vocObject(box) + vocObject(""))), "E-VX-09", "object 3 has no bndbox");
    checkRefused(parseVocAnnotation(voc(vocObject(box + box))), "E-VX-09", "object 1 has two bndbox");
    checkRefused(parseVocAnnotation(voc("<object>" + box + "</object>")), "E-VX-09", "object 1 has no name");
  }
  SECTION("10 parts belong to their object") {
    const auto result = parseVocAnnotation(voc(vocObject(bndbox("1", "1", "50", "50") + "<part><name>head</name>" + bndbox("2", "2", "9", "9") + "</part>")));
    REQUIRE(result.hasValue());
    CHECK(result->objects.size() == 1);
    CHECK(result->objects[0].parts == 1);
    checkNote(result->notes, "E-VX-10", "head of object 1");
  }
  SECTION("11 encodings") {
    checkRefused(parseVocAnnotation("<annotation><filename>\xE9</filename></annotation>"), "E-VX-11", "invalid UTF-8 at byte 22");
    checkRefused(parseVocAnnotation(std::string("<annotation>\0</annotation>", 26)), "E-VX-11", "byte 0x00 at 12");
    CHECK(parseVocAnnotation("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><annotation><filename>\xE9</filename></annotation>").hasValue());
  }
  SECTION("12 file names are text only") {
    for (const char* name : {"../../etc/passwd", "http://example.org/a.jpg"}) {
      const auto result = parseVocAnnotation(std::string("<annotation><filename>") + name + "</filename></annotation>");
      REQUIRE(result.hasValue());
      CHECK(result->fileName == name);
      checkNote(result->notes, "E-VX-12", "only shown as text");
    }
  }
  SECTION("13 more than a million objects") {
    std::string many;
    many.reserve(120u << 20);
    const std::string one = vocObject(bndbox("1", "1", "5", "5"));
    for (int i = 0; i < 1000001; ++i) many += one;
    // 100 MB of XML: the limit is what counts here, not the deadline of small files.
    checkRefused(parseVocAnnotation(voc(many)), "E-VX-13", "more than 1000000 objects");
  }
  SECTION("14 other shapes are skipped and counted") {
    std::string shapes;
    for (int i = 0; i < 4; ++i) shapes += vocObject("<robndbox><cx>1</cx></robndbox>");
    const auto result = parseVocAnnotation(voc(shapes + vocObject(bndbox("1", "1", "5", "5"))));
    REQUIRE(result.hasValue());
    CHECK(result->objects.size() == 1);
    checkNote(result->notes, "E-VX-14", "unsupported shape, 4 skipped");
  }
  SECTION("15 another root, or several") {
    checkRefused(parseVocAnnotation("<dataset/>"), "E-VX-15", "root is <dataset>, expected <annotation>");
    checkRefused(parseVocAnnotation("<annotation/><annotation/>"), "E-VX-15", "2 annotations in one file");
  }
  SECTION("result lines") {
    RawDetections raw;
    REQUIRE(parseVocResults("a 0.5 1 1 10 10\n", "cat", raw).hasValue());
    CHECK(raw.boxes.at(0).width == 10);
    checkRefused(parseVocResults("a 0.5 1 1 10\n", "cat", raw), "E-VX-09", "line 1 has 5 columns");
    checkRefused(parseVocResults("a 0.5 1 1 10 10\nb nan 1 1 2 2\n", "cat", raw), "E-VX-07", "line 2");
    checkRefused(parseVocResults("a 0.5 20 1 10 10\n", "cat", raw), "E-VX-07", "line 1: xmin 20 > xmax 10");
    CHECK(vocResultClass("x/comp4_det_test_aeroplane.txt") == "aeroplane");
    CHECK(vocResultClass("comp3_det_val_traffic_light.txt") == "traffic_light");
    CHECK(vocResultClass("labels.txt").empty());
  }
}

TEST_CASE("YOLO: each row of the checklist is answered") {
  SECTION("01 an empty file is legal") {
    const auto result = parseYoloLabels("");
    REQUIRE(result.hasValue());
    checkNote(result->notes, "E-YO-01", "no objects");
  }
  SECTION("02 mixed columns") {
    const std::string row = "0 0.5 0.5 0.1 0.1\n";
    checkRefused(parseYoloLabels(row + row + "0 0.5 0.5 0.1\n"), "E-YO-02", "line 3 has 4 columns; this file uses 5");
    checkRefused(parseYoloLabels(row + "1 0.5 0.5 0.1 0.1 0.9\n"), "E-YO-02", "line 2 has 6 columns; this file uses 5");
    checkRefused(parseYoloLabels(row + "1 0.5 0.5 0.1 0.1 0.9 0.3\n"), "E-YO-02", "line 2 has 7 columns; this file uses 5");
    checkRefused(parseYoloLabels("0 0.5\n"), "E-YO-02", "line 1 has 2 columns");
  }
  SECTION("03 classes") {
    for (const char* text : {"cat", "1.5", "-1"}) checkRefused(parseYoloLabels(std::string(text) + " 0.5 0.5 0.1 0.1"), "E-YO-03", "is not a whole number");
    checkRefused(parseYoloLabels("0 0.5 0.5 0.1 0.1\n1 0.5 0.5 0.1 0.1\n80 0.5 0.5 0.1 0.1\n", 80), "E-YO-03", "line 3: class 80, only 80 names (0-79)");
  }
  SECTION("04 one bad line costs one line") {
    for (const char* value : {"1.0711", "-0.04"}) {
      const auto result = parseYoloLabels(std::string("0 0.5 0.5 0.1 0.1\n0 ") + value + " 0.5 0.1 0.1\n0 0.2 0.5 0.1 0.1\n");
      REQUIRE(result.hasValue());
      CHECK(result->boxes.size() == 2);
      checkNote(result->notes, "E-YO-04", std::string("line 2: ") + value + " is not in 0..1");
    }
  }
  SECTION("05 numbers") {
    checkRefused(parseYoloLabels("0 0.5 0.5 0.1 0.1\n0 0,5 0.5 0.1 0.1\n"), "E-YO-05", "line 2: '0,5' is not a number (use a point)");
    for (const char* value : {"NaN", "inf", "0x1p-1"}) checkRefused(parseYoloLabels(std::string("0 ") + value + " 0.5 0.1 0.1"), "E-YO-05", std::string("'") + value + "'");
    const auto tiny = parseYoloLabels("0 1e-400 0.5 0.1 0.1");
    REQUIRE(tiny.hasValue());
    CHECK(tiny->boxes.at(0).cx == 0);
  }
  SECTION("06 sizes") {
    const auto result = parseYoloLabels("0 0.5 0.5 0 0.1\n0 0.5 0.5 0.1 0.1\n");
    REQUIRE(result.hasValue());
    CHECK(result->boxes.size() == 1);
    checkNote(result->notes, "E-YO-06", "line 1: width must be > 0");
  }
  SECTION("07 repeated lines") {
    const auto result = parseYoloLabels("0 0.5 0.5 0.1 0.1\n0 0.5 0.5 0.1 0.1\n");
    REQUIRE(result.hasValue());
    CHECK(result->boxes.size() == 1);
    checkNote(result->notes, "E-YO-07", "1 repeated lines kept once (first: line 2)");
  }
  SECTION("08 line ends, tabs and byte order marks") {
    for (const char* text : {"0\t0.5 0.5\t0.1 0.1  \r\n1 0.2 0.2 0.1 0.1\r\n", "0 0.5 0.5 0.1 0.1\r1 0.2 0.2 0.1 0.1\r", "\xEF\xBB\xBF" "0 0.5 0.5 0.1 0.1\n1 0.2 0.2 0.1 0.1"}) {
      const auto result = parseYoloLabels(text);
      REQUIRE(result.hasValue());
      CHECK(result->boxes.size() == 2);
    }
    checkRefused(parseYoloLabels(std::string("\xFF\xFE" "0\0 \0", 6)), "E-YO-08", "UTF-16");
  }
  SECTION("09 long lines") {
    checkRefused(timed([&] { return parseYoloLabels(std::string(100000, '1')); }), "E-YO-09", "longer than 64 KiB");
  }
  SECTION("10 segments") {
    checkRefused(parseYoloLabels("0 0.1 0.1 0.3 0.1 0.3 0.3 0.2"), "E-YO-10", "polygon needs x,y pairs");
    const auto result = parseYoloLabels("0 0.1 0.1 0.3 0.1 0.3 0.4\n");
    REQUIRE(result.hasValue());
    CHECK(std::abs(result->boxes.at(0).width - 0.2) < 1e-12);
    CHECK(std::abs(result->boxes.at(0).height - 0.3) < 1e-12);
  }
  SECTION("11, 12 folders without images or names") {
    const Folder folder("yolo");
    folder.write("labels/a.txt", "0 0.5 0.5 0.1 0.1\n");
    folder.write("labels/b.txt", "");
    const auto bare = readYoloGroundTruth(folder.path.string());
    REQUIRE(bare.hasValue());
    CHECK(bare->images.size() == 2);
    CHECK_FALSE(bare->sizeKnown);
    checkNote(bare->notes, "E-YO-12", "no file with class names");
    folder.write("data.yaml", "path: x\nnames: &bomb\n  0: cat\n  1: 'dog'  # two\nval: *bomb\n");
    folder.write("labels/c.txt", "2 0.5 0.5 0.1 0.1\n");
    folder.write("images/a.png", "not an image");
    folder.write("images/z.png", "not an image");
    checkRefused(readYoloGroundTruth(folder.path.string()), "E-YO-03", "c.txt: line 1: class 2, only 2 names (0-1)");
    fs::remove(folder.path / "labels/c.txt");
    const auto truth = readYoloGroundTruth(folder.path.string());
    REQUIRE(truth.hasValue());
    CHECK(truth->classes.at(1).name == "dog");
    checkNote(truth->notes, "E-YO-11", "1 label files have no image (first: b)");
    checkNote(truth->notes, "E-YO-11", "1 images have no label file (first: z)");
    CHECK(parseYoloNames("names: [a, \"b c\", d]\n", true) == std::vector<std::string>{"a", "b c", "d"});
    CHECK(parseYoloNames("names:\n- a\n- b\n", true) == std::vector<std::string>{"a", "b"});
  }
  SECTION("13 binary") { checkRefused(parseYoloLabels(std::string("0 0\0 1", 6)), "E-YO-13", "not a text file (byte 0x00 at 3)"); }
  SECTION("14 the confidence in another column") {
    const auto result = parseYoloLabels("0 0.9 0.5 0.5 0.1 12\n");
    REQUIRE(result.hasValue());
    checkNote(result->notes, "E-YO-14", "is the confidence first?");
  }
  SECTION("15 pixels") { checkRefused(parseYoloLabels("0 100 120 30 40\n1 50 60 20 20\n"), "E-YO-15", "looks like pixels"); }
}

TEST_CASE("Tables: header, columns and numbers") {
  checkRefused(parseCsvGroundTruth("a,b,c\n1,2,3\n"), "E-DC-01", "expected a header");
  checkRefused(parseCsvDetections("image,class,x,y,w,h\na,b,1,2,3,4\n"), "E-DC-01", "no score column");
  checkRefused(parseCsvDetections("image,class,score,x,y,w,h\na,b,0.5,1,2,3\n"), "E-DC-02", "line 2 has 6 columns; the header has 7");
  checkRefused(parseCsvDetections("image,class,score,x,y,w,h\na,b,0.5,1,2,3,inf\n"), "E-DC-03", "line 2: h 'inf'");
  checkRefused(parseCsvDetections("image,class,score,x1,y1,x2,y2\na,b,0.5,9,2,3,4\n"), "E-DC-04", "line 2: x1 9 > x2 3");
  const auto corners = parseCsvDetections("score,class,image,x1,y1,x2,y2\n0.5,\"a,b\",i,1,2,4,8\n");
  REQUIRE(corners.hasValue());
  CHECK(corners->classNames.at(0) == "a,b");
  CHECK(corners->boxes.at(0).height == 6);
}

TEST_CASE("Detection files are recognised by their content") {
  const Folder folder("kinds");
  CHECK(detectionKindOf(folder.write("a", dataset(good))) == "coco-ground-truth");
  CHECK(detectionKindOf(folder.write("b", R"([{"image_id":1,"category_id":1,"bbox":[1,2,3,4],"score":0.5}])")) == "coco-results");
  CHECK(detectionKindOf(folder.write("c", voc(""))) == "voc-annotation");
  CHECK(detectionKindOf(folder.write("comp4_det_test_cat.txt", "a 0.5 1 1 10 10\n")) == "voc-results");
  CHECK(detectionKindOf(folder.write("d", "0 0.5 0.5 0.1 0.1\n")) == "yolo-labels");
  CHECK(detectionKindOf(folder.write("e", "image,class,x,y,w,h\n")) == "detection-csv");
  CHECK(detectionKindOf(folder.write("f", "hello world\n")).empty());
  folder.write("voc/Annotations/a.xml", voc(""));
  folder.write("yolo/labels/a.txt", "0 0.5 0.5 0.1 0.1\n");
  CHECK(detectionKindOf((folder.path / "voc").string()) == "voc-folder");
  CHECK(detectionKindOf((folder.path / "yolo").string()) == "yolo-folder");
  checkRefused(readGroundTruth((folder.path / "none").string()), "E-IO-01", "no such file or folder");
  checkRefused(readGroundTruth(folder.write("lfs", "version https://git-lfs.github.com/spec/v1\n")), "E-DT-01", "Git LFS pointer");
  checkRefused(readGroundTruth(folder.write("empty", "")), "E-CO-01", "an empty file");

  const FileFormat* format = findRegistered<FileFormat>("coco-ground-truth");
  REQUIRE(format != nullptr);
  const auto report = format->inspect((folder.path / "a").string(), {});
  REQUIRE(report.hasValue());
  CHECK(report->counts.at("images") == 2);
  CHECK(report->counts.at("boxes") == 1);
  CHECK(report->counts.at("classes") == 2);
  const auto damaged = format->inspect(folder.write("g", dataset(good).substr(0, 200)), {});
  REQUIRE(damaged.hasValue());
  REQUIRE(damaged->error.has_value());
  CHECK(damaged->error->id == "E-CO-02");
}
