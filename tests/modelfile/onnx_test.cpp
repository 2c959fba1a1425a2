// Every row of the malformed-input list for ONNX (E-OX) that concerns a reader, and the well-formed models beside them.

#include "core/modelfile/onnx.h"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <protozero/buffer_string.hpp>
#include <protozero/varint.hpp>

#include "core/base/file_format.h"
#include "core/base/philox.h"
#include "core/modelfile/tensor_file.h"
#include "tests/support/catch.h"
#include "tests/support/onnx_writer.h"
#include "tests/support/scratch.h"

using namespace orrery;
using namespace orrery::modelfile;
using namespace orrery::testing;

namespace {

const std::string four = rawFloats({1, -2, 3.5f, 4});

Error errorOf(const Scratch& scratch, const std::string& content) {
  const auto model = OnnxModel::open(scratch.write("model.onnx", content));
  REQUIRE_FALSE(model.hasValue());
  CHECK_FALSE(model.error().message.empty());
  return model.error();
}

// The error of reading the one weight.
Error weightError(const Scratch& scratch, const std::string& tensor) {
  const auto model = OnnxModel::open(scratch.write("model.onnx", onnxModel({{}, {tensor}, {}, {}})));
  INFO((model ? "" : model.error().message));
  REQUIRE(model.hasValue());
  REQUIRE(model->weights.size() == 1);
  const auto values = model->values(model->weights[0]);
  REQUIRE_FALSE(values.hasValue());
  return values.error();
}

bool has(const Error& error, std::string_view part) { return error.message.find(part) != std::string::npos; }
bool has(const std::vector<std::string>& notes, std::string_view part) {
  return std::any_of(notes.begin(), notes.end(), [&](const std::string& n) { return n.find(part) != std::string::npos; });
}

OnnxParts chain(const std::vector<std::string>& nodes) { return {nodes, {}, {onnxPort("x", {-1, 2})}, {onnxPort("y", {-1, 2})}}; }

}  // namespace

TEST_CASE("An ONNX model gives its nodes, ports and weights, in every type and field") {
  const Scratch scratch;
  const auto typed = [](const std::string& name, std::int32_t type, std::int64_t n, const auto& fill) {
    return message([&](Proto& p) {
      p.add_int64(1, n);
      p.add_int32(2, type);
      p.add_string(8, name);
      fill(p);
    });
  };
  const std::vector<std::int32_t> halves{0x3C00, 0xC000};
  const std::vector<std::int64_t> wide{-1, std::int64_t{1} << 40};
  const std::vector<double> doubles{0.25, -1e300};
  const std::vector<float> singles{1.5f, -2};
  const std::string path = scratch.write(
      "any.bin", onnxModel({{onnxNode("Add", {"x", "raw"}, {"y"}, "the sum", {onnxInteger("axis", -1)})},
                            {onnxTensor("raw", {2, 2}, four), onnxTensor("half", {1}, std::string("\x00\x3C", 2), 10),
                             onnxTensor("bf", {1}, std::string("\x80\x3F", 2), 16),
                             typed("singles", 1, 2, [&](Proto& p) { p.add_packed_float(4, singles.begin(), singles.end()); }),
                             typed("one by one", 1, 2,
                                   [&](Proto& p) {
                                     p.add_float(4, 7);
                                     p.add_float(4, 8);
                                   }),
                             typed("halves", 10, 2, [&](Proto& p) { p.add_packed_int32(5, halves.begin(), halves.end()); }),
                             typed("wide", 7, 2, [&](Proto& p) { p.add_packed_int64(7, wide.begin(), wide.end()); }),
                             typed("doubles", 11, 2, [&](Proto& p) { p.add_packed_double(10, doubles.begin(), doubles.end()); })},
                            {onnxPort("x", {-1, 2}), onnxPort("raw", {2, 2})},
                            {onnxPort("y", {-1, 2})}}));
  const auto model = OnnxModel::open(path);
  INFO((model ? "" : model.error().message));
  REQUIRE(model);
  CHECK(model->opsets.at("") == 17);
  CHECK(model->producer == "test");
  REQUIRE(model->nodes.size() == 1);
  CHECK(model->nodes[0].attribute("axis")->integer == -1);
  CHECK(model->nodes[0].shownName() == "Add 'the sum'");
  // A weight that is also listed as an input is no input.
  REQUIRE(model->inputs.size() == 1);
  CHECK(model->inputs[0].shape == std::vector<std::int64_t>{-1, 2});
  CHECK(model->inputs[0].extents[0] == "batch");
  const auto values = [&](const std::string& name) {
    for (const auto& w : model->weights) {
      if (w.name == name) return *model->values(w);
    }
    return std::vector<double>();
  };
  CHECK(values("raw") == std::vector<double>{1, -2, 3.5, 4});
  CHECK(values("half") == std::vector<double>{1});
  CHECK(values("bf") == std::vector<double>{1});
  CHECK(values("singles") == std::vector<double>{1.5, -2});
  CHECK(values("one by one") == std::vector<double>{7, 8});
  CHECK(values("halves") == std::vector<double>{1, -2});
  CHECK(values("wide") == std::vector<double>{-1, 1099511627776});
  CHECK(values("doubles") == doubles);
  // The same file as tensors and as a report, told by its content.
  const auto tensors = TensorFile::open(path);
  REQUIRE(tensors);
  CHECK(tensors->format() == "onnx");
  CHECK(tensors->read("raw")->toFloats() == std::vector<float>{1, -2, 3.5f, 4});
  const auto report = inspectFile(path);
  REQUIRE(report);
  CHECK(report->kind == "onnx");
  CHECK(report->counts.at("nodes") == 1);
  CHECK(report->counts.at("opset") == 17);
  REQUIRE(report->inputs.size() == 1);
  CHECK(report->inputs[0].shape == std::vector<std::int64_t>{-1, 2});
}

TEST_CASE("Damaged ONNX models are named, row by row") {
  const Scratch scratch;

  SECTION("01: something else") {
    CHECK(errorOf(scratch, "").id == "E-OX-01");
    const Error text = errorOf(scratch, "ir_version: 8\nproducer_name: \"x\"\n");
    CHECK(has(text, "not an ONNX model"));
    CHECK(has(text, "at offset"));
    // A TensorFlow graph is a protobuf of other fields.
    const Error other = errorOf(scratch, message([](Proto& p) { p.add_message(1, onnxNode("a", {}, {})); }));
    CHECK(has(other, "offset 0"));
    CHECK(has(errorOf(scratch, message([](Proto& p) { p.add_int64(1, 8); })), "holds no graph"));
    const auto report = inspectFile(scratch.write("text.onnx", "ir_version: 8\n"));
    REQUIRE(report);
    REQUIRE(report->error);
  }
  SECTION("02: broken wire") {
    CHECK(has(errorOf(scratch, std::string("\x08") + std::string(11, '\xFF')), "longer than 10 bytes"));
    const Error beyond = errorOf(scratch, std::string("\x08\x08\x3A\x7F", 4) + "abc");
    CHECK(beyond.id == "E-OX-02");
    CHECK(has(beyond, "127 bytes, 3 are left"));
    CHECK(has(errorOf(scratch, std::string("\x08\x08\x3B", 3)), "wire type 3 at offset 2"));
    CHECK(has(errorOf(scratch, std::string("\x08\x08\x00\x01", 4)), "field number 0 at offset 2"));
  }
  SECTION("03: nesting and recursion") {
    std::string graph = onnxGraph({});
    for (int i = 0; i < 1000; ++i) {
      const std::string attribute = message([&](Proto& p) {
        p.add_string(1, "body");
        p.add_message(6, graph);
      });
      graph = onnxGraph({{onnxNode("Loop", {}, {}, "", {attribute})}, {}, {}, {}});
    }
    const Error deep = errorOf(scratch, message([&](Proto& p) { p.add_int64(1, 8), p.add_message(7, graph); }));
    CHECK(deep.id == "E-OX-03");
    CHECK(has(deep, "nested deeper than 32"));
    const auto function = [](const std::string& name, const std::string& uses) {
      return message([&](Proto& p) {
        p.add_string(1, name);
        p.add_message(7, onnxNode(uses, {}, {}, "", {}, "own"));
        p.add_string(10, "own");
      });
    };
    const Error recursive = errorOf(scratch, onnxModel({}, 17, {function("f", "g"), function("g", "f")}));
    CHECK(recursive.id == "E-OX-03");
    CHECK(has(recursive, "calls itself"));
    CHECK(OnnxModel::open(scratch.write("fine.onnx", onnxModel({}, 17, {function("f", "g"), function("g", "h")}))));
  }
  SECTION("04: cycles, and nodes that are only not sorted") {
    const Error cycle = errorOf(scratch, onnxModel(chain({onnxNode("Neg", {"x"}, {"a"}), onnxNode("Add", {"a", "c"}, {"b"}, "Add_3"),
                                                          onnxNode("Neg", {"b"}, {"c"}, "Neg_4"), onnxNode("Neg", {"c"}, {"y"})})));
    CHECK(cycle.id == "E-OX-04");
    CHECK((has(cycle, "Add_3") || has(cycle, "Neg_4")));
    CHECK(errorOf(scratch, onnxModel(chain({onnxNode("Add", {"x", "y"}, {"y"}, "loop")}))).id == "E-OX-04");
    const auto model = OnnxModel::open(
        scratch.write("m.onnx", onnxModel(chain({onnxNode("Neg", {"b"}, {"y"}, "third"), onnxNode("Neg", {"a"}, {"b"}, "second"),
                                                 onnxNode("Neg", {"x"}, {"a"}, "first")}))));
    REQUIRE(model);
    CHECK(model->nodes[0].name == "first");
    CHECK(model->nodes[2].name == "third");
    CHECK(has(model->notes, "not sorted"));
  }
  SECTION("05: names") {
    CHECK(has(errorOf(scratch, onnxModel(chain({onnxNode("Neg", {"x"}, {"y"}), onnxNode("Abs", {"x"}, {"y"}, "again")}))),
              "'y' is made twice, the second time by Abs 'again'"));
    CHECK(
        has(errorOf(scratch, onnxModel(chain({onnxNode("Neg", {"nobody"}, {"y"}, "n")}))), "Neg 'n' takes 'nobody', which nothing makes"));
    CHECK(has(errorOf(scratch, onnxModel(chain({onnxNode("Neg", {"x"}, {"z"})}))), "gives out 'y', which nothing makes"));
    CHECK(errorOf(scratch, onnxModel({{}, {onnxTensor("", {4}, four)}, {}, {}})).id == "E-OX-05");
    CHECK(has(errorOf(scratch, onnxModel({{}, {onnxTensor("w", {4}, four), onnxTensor("w", {4}, four)}, {}, {}})),
              "two weights are called 'w'"));
  }
  SECTION("06: shapes that overflow") {
    for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{-1},
                                                   {std::int64_t{1} << 62, 4},
                                                   {std::int64_t{1} << 32, std::int64_t{1} << 32, 2},
                                                   {std::int64_t{1} << 61, 1}}) {
      const Error error = errorOf(scratch, onnxModel({{}, {onnxTensor("w", shape, four)}, {}, {}}));
      CHECK(error.id == "E-OX-06");
      CHECK(has(error, "dimension product overflows: tensor 'w'"));
    }
  }
  SECTION("07: data that do not fit") {
    CHECK(has(weightError(scratch, onnxTensor("w", {5}, four)), "has 16 bytes of data, its shape [5] and type f32 need 20 bytes"));
    CHECK(has(weightError(scratch, onnxTensor("w", {3}, four)), "need 12 bytes"));
    const auto more = [](std::uint32_t field) {
      std::string tensor = onnxTensor("w", {4}, four);
      Proto p(tensor);
      p.add_float(field, 1);
      return tensor;
    };
    CHECK(has(weightError(scratch, more(4)), "values in 2 fields"));
    CHECK(has(weightError(scratch, onnxTensor("w", {4}, four, 8)), "strings cannot be raw data"));
    CHECK(has(weightError(scratch, onnxTensor("w", {4}, four, 999)), "type 999"));
    CHECK(weightError(scratch, onnxTensor("w", {4}, four, 0)).id == "E-OX-07");
    // A shape of a billion over one typed value allocates nothing.
    const Error few = weightError(
        scratch, message([](Proto& p) { p.add_int64(1, 1000000000), p.add_int32(2, 7), p.add_string(8, "w"), p.add_int64(7, 3); }));
    CHECK(few.id == "E-OX-07");
    CHECK(has(weightError(scratch, message([](Proto& p) {
                            p.add_int64(1, 2), p.add_int32(2, 7), p.add_string(8, "w"), p.add_int64(7, std::int64_t{1} << 40);
                          })),
              "holds 1 values, its shape needs 2"));
  }
  SECTION("08: side files outside of the folder") {
    for (const std::string& location : {std::string("../../etc/passwd"), std::string("a/../../b"), std::string("/etc/passwd"),
                                        std::string("\\\\srv\\x"), std::string("C:x"), std::string("a\0b", 3), std::string("CON"),
                                        std::string("nul.bin"), std::string(""), std::string("a//b"), std::string("a/")}) {
      INFO(location);
      const Error error = weightError(scratch, onnxSideTensor("w", {4}, {{"location", location}}));
      CHECK(error.id == "E-OX-08");
      CHECK(has(error, "outside the model's folder; refused"));
    }
  }
  SECTION("09: links, pipes and folders") {
    scratch.write("data.bin", four);
    scratch.write("folder/data.bin", four);
    REQUIRE(::symlink("data.bin", scratch.path("link.bin").c_str()) == 0);
    REQUIRE(::symlink("folder", scratch.path("way").c_str()) == 0);
    REQUIRE(::link(scratch.path("data.bin").c_str(), scratch.path("hard.bin").c_str()) == 0);
    REQUIRE(::mkfifo(scratch.path("pipe").c_str(), 0600) == 0);
    for (const char* location : {"link.bin", "way/data.bin", "hard.bin", "pipe", "folder"}) {
      INFO(location);
      const Error error = weightError(scratch, onnxSideTensor("w", {4}, {{"location", location}}));
      CHECK(error.id == "E-OX-09");
      CHECK(has(error, "links are not followed"));
    }
  }
  SECTION("10 and 11: places in a side file, and what is ignored") {
    scratch.write("side.bin", std::string(4, 'x') + four);
    for (const auto& [offset, length] : std::vector<std::pair<std::string, std::string>>{{"8", "16"},
                                                                                         {"-4", "16"},
                                                                                         {"four", "16"},
                                                                                         {"4", "1152921504606846976"},
                                                                                         {"18446744073709551612", "16"},
                                                                                         {"4", "12"},
                                                                                         {"99999999999999999999", "16"}}) {
      INFO(offset << " " << length);
      const Error error =
          weightError(scratch, onnxSideTensor("w", {4}, {{"location", "side.bin"}, {"offset", offset}, {"length", length}}));
      CHECK(error.id == "E-OX-10");
    }
    const auto model = OnnxModel::open(scratch.write(
        "m.onnx",
        onnxModel({{},
                   {onnxSideTensor("w", {4}, {{"location", "side.bin"}, {"offset", "4"}, {"__class__", "x"}, {"location", "../other"}})},
                   {},
                   {}})));
    REQUIRE(model);
    CHECK(*model->values(model->weights[0]) == std::vector<double>{1, -2, 3.5, 4});
    CHECK(has(model->notes, "'__class__' of external data is unknown"));
    CHECK(has(model->notes, "'location' of external data is there twice"));
  }
  SECTION("12: a side file that is not there") {
    const std::string path = scratch.write(
        "m.onnx", onnxModel({{}, {onnxSideTensor("w", {4}, {{"location", "gone.bin"}}), onnxTensor("v", {4}, four)}, {}, {}}));
    const auto model = OnnxModel::open(path);
    REQUIRE(model);  // the graph opens
    CHECK(model->weights[0].problem->id == "E-OX-12");
    CHECK(model->values(model->weights[1]));
    const auto report = inspectFile(path);
    REQUIRE(report);
    CHECK_FALSE(report->tensors[0].readable);
    CHECK(has(report->notes, "1 of 2 tensors usable"));
  }
  SECTION("13: sparse tensors go through the same guard") {
    const auto sparse = [](const std::string& values) {
      return message([&](Proto& p) {
        p.add_message(1, values);
        p.add_message(
            2, message([](Proto& t) { t.add_int64(1, 2), t.add_int32(2, 7), t.add_string(8, "i"), t.add_int64(7, 1), t.add_int64(7, 4); }));
        p.add_int64(3, 2), p.add_int64(3, 3);
      });
    };
    const auto inGraph = [&](const std::string& values) {
      return message([&](Proto& p) {
        p.add_int64(1, 8);
        p.add_message(7, message([&](Proto& g) { g.add_message(15, sparse(values)); }));
      });
    };
    const auto bad = OnnxModel::open(scratch.write("bad.onnx", inGraph(onnxSideTensor("s", {2}, {{"location", "../../etc/passwd"}}))));
    REQUIRE(bad);
    CHECK(bad->values(bad->weights[0]).error().id == "E-OX-08");
    const std::string attribute = message([&](Proto& p) {
      p.add_string(1, "sparse_value"), p.add_message(22, sparse(onnxSideTensor("s", {2}, {{"location", "/etc/passwd"}})));
    });
    const auto node = OnnxModel::open(scratch.write("node.onnx", onnxModel(chain({onnxNode("Constant", {}, {"y"}, "c", {attribute})}))));
    REQUIRE(node);
    CHECK(node->values(*node->nodes[0].attribute("sparse_value")->tensor).error().id == "E-OX-08");
    const auto good = OnnxModel::open(scratch.write("good.onnx", inGraph(onnxTensor("s", {2}, rawFloats({5, 6})))));
    REQUIRE(good);
    CHECK(*good->values(good->weights[0]) == std::vector<double>{0, 5, 0, 0, 6, 0});
  }
  SECTION("14: versions that do not exist") {
    for (const std::int64_t version : {std::int64_t{0}, std::int64_t{1} << 31}) {
      const auto model = OnnxModel::open(scratch.write("m.onnx", onnxModel(chain({onnxNode("Neg", {"x"}, {"y"})}), version)));
      REQUIRE(model);
      CHECK_FALSE(model->notes.empty());
    }
  }
  SECTION("15: very many nodes and inputs") {
    std::vector<std::string> nodes, names;
    for (int i = 0; i < 100000; ++i)
      nodes.push_back(onnxNode("Neg", {i == 0 ? "x" : "v" + std::to_string(i)}, {i == 99999 ? "y" : "v" + std::to_string(i + 1)}));
    for (int i = 0; i < 1000000; ++i) names.push_back("x");
    const auto start = std::chrono::steady_clock::now();
    CHECK(OnnxModel::open(scratch.write("many.onnx", onnxModel(chain(nodes))))->nodes.size() == 100000);
    CHECK(OnnxModel::open(scratch.write("wide.onnx", onnxModel(chain({onnxNode("Sum", names, {"y"})}))))->nodes[0].inputs.size() ==
          1000000);
    CHECK(std::chrono::steady_clock::now() - start <
          std::chrono::seconds(20));  // a second or so; neighbours and sanitizers share the machine
  }
  SECTION("16: weights beyond 2 GiB are not read to see the graph") {
    const auto length = [](std::uint64_t n) {
      std::string bytes;
      protozero::add_varint_to_buffer(&bytes, n);
      return bytes;
    };
    const std::uint64_t raw = std::uint64_t{3} << 30;
    std::string tensor =
        message([&](Proto& p) { p.add_int64(1, static_cast<std::int64_t>(raw / 4)), p.add_int32(2, 1), p.add_string(8, "w"); });
    tensor += "\x4A" + length(raw);
    const std::string graph = "\x2A" + length(tensor.size() + raw) + tensor;
    const std::string path = scratch.write("large.onnx", "\x08\x08\x3A" + length(graph.size() + raw) + graph);
    REQUIRE(::truncate(path.c_str(), static_cast<off_t>(std::filesystem::file_size(path) + raw)) == 0);
    const auto model = OnnxModel::open(path);
    INFO((model ? "" : model.error().message));
    REQUIRE(model);
    CHECK(model->weights[0].count == raw / 4);
    CHECK_FALSE(model->weights[0].problem);
    REQUIRE(::truncate(path.c_str(), 1000) == 0);
    CHECK(OnnxModel::open(path).error().id == "E-OX-02");
  }
  SECTION("17: data twice, and data of nothing") {
    std::string both = onnxSideTensor("w", {4}, {{"location", "x.bin"}});
    Proto(both).add_bytes(9, four);
    CHECK(weightError(scratch, both).id == "E-OX-17");
    CHECK(has(weightError(scratch, onnxTensor("w", {0}, four)), "has 0 elements, but contains 16 bytes"));
  }
  SECTION("18: names nobody should see as they are") {
    const std::string evil = "a\n\xE2\x80\xAE" + std::string(1 << 20, 'b');
    const Error error = errorOf(scratch, onnxModel(chain({onnxNode("Neg", {evil}, {"y"}, "n")})));
    CHECK(has(error, "a\\x0a\\u{dir}bbb"));
    CHECK(error.message.size() < 400);
  }
}

TEST_CASE("An ONNX model cut off anywhere is an error or a shorter model, never a crash; so is one with any byte changed") {
  const Scratch scratch;
  const std::string good = onnxLinearDenoiser(2, {1, 2, 3, 4, 5, 6}, {0.5f, -0.5f});
  const auto readAll = [&](const std::string& content) {
    const auto model = OnnxModel::open(scratch.write("m.onnx", content));
    if (!model) {
      CHECK_FALSE(model.error().message.empty());
      return false;
    }
    for (const auto& weight : model->weights) {
      const auto values = model->values(weight);
      if (!values) CHECK_FALSE(values.error().message.empty());
    }
    return true;
  };
  REQUIRE(readAll(good));
  // The graph is one field: whatever ends inside of it does not hold one.
  const std::size_t behindGraph = good.find(message([](Proto& p) { p.add_message(8, std::string("\x10\x11", 2)); }));
  REQUIRE(behindGraph != std::string::npos);
  for (std::size_t at = 0; at < good.size(); ++at) {
    INFO(at);
    CHECK(readAll(good.substr(0, at)) == (at == behindGraph));
  }
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const int to : {good[at] ^ 0xFF, 0, good[at] ^ 1, 0x7F}) {
      std::string bad = good;
      bad[at] = static_cast<char>(to);
      readAll(bad);
    }
  }
}
