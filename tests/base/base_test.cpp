#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/base/file_format.h"
#include "core/base/files.h"
#include "core/base/philox.h"
#include "core/base/registry.h"
#include "core/base/text.h"
#include "tests/support/catch.h"

using namespace orrery;
namespace fs = std::filesystem;

namespace {

// A folder that goes away with the test.
struct Scratch {
  fs::path path;
  Scratch() {
    std::string pattern = (fs::temp_directory_path() / "orrery-test-XXXXXX").string();
    path = ::mkdtemp(pattern.data());
  }
  ~Scratch() {
    std::error_code ignored;
    fs::permissions(path, fs::perms::owner_all, ignored);
    fs::remove_all(path, ignored);
  }
  std::string operator()(const std::string& name) const { return (path / name).string(); }
  std::string write(const std::string& name, std::string_view content) const {
    std::ofstream(path / name, std::ios::binary) << content;
    return (*this)(name);
  }
};

std::string contentOf(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// Sets an environment variable for the duration of a test.
struct Environment {
  std::string name;
  std::optional<std::string> before;
  Environment(const char* variable, const char* value) : name(variable) {
    if (const char* old = std::getenv(variable)) before = old;
    value == nullptr ? ::unsetenv(variable) : ::setenv(variable, value, 1);
  }
  ~Environment() { before ? ::setenv(name.c_str(), before->c_str(), 1) : ::unsetenv(name.c_str()); }
};

// Two formats of this test: one that knows its magic, one that knows only a name.
const Registration<FileFormat> magicFormat{{"zz-test-magic", "test file",
                                            [](const FileHead& file) {
                                              const std::string_view text(reinterpret_cast<const char*>(file.head.data()), file.head.size());
                                              return text.starts_with("ZZTEST") ? 90 : 0;
                                            },
                                            [](const std::string&, const InspectOptions& options) -> Expected<FileReport> {
                                              FileReport report;
                                              report.kind = "zz-test-magic";
                                              report.title = options.lenient ? "lenient" : "strict";
                                              return report;
                                            }}};
const Registration<FileFormat> nameFormat{{"zz-test-name", "test name",
                                           [](const FileHead& file) { return file.path.ends_with(".zzname") ? 5 : 0; },
                                           [](const std::string&, const InspectOptions&) -> Expected<FileReport> {
                                             FileReport report;
                                             report.kind = "zz-test-name";
                                             return report;
                                           }}};

std::string errorOf(const std::string& path) {
  const auto report = inspectFile(path);
  return report ? "no error" : report.error().id;
}

}  // namespace

TEST_CASE("SHA-256 gives the published digests") {
  CHECK(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  const std::string million(1000000, 'a');
  CHECK(sha256(million) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  Scratch scratch;
  CHECK(sha256OfFile(scratch.write("a", million)).value() == sha256(million));
  // Lengths around the padding's edges, against the same bytes read from a file in other pieces.
  for (std::size_t length : {55u, 56u, 63u, 64u, 65u, 119u, 120u}) {
    const std::string text(length, 'x');
    CHECK(sha256OfFile(scratch.write("b", text)).value() == sha256(text));
  }
  CHECK(sha256(std::string(56, 'a')) == "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
  CHECK(sha256OfFile(scratch("missing")).error().code == ErrorCode::notFound);
}

TEST_CASE("CRC-32 gives the published check value, also in pieces") {
  const std::string text = "123456789";
  const auto bytes = std::as_bytes(std::span(text));
  CHECK(crc32(bytes) == 0xcbf43926);
  CHECK(crc32(bytes.subspan(4), crc32(bytes.first(4))) == 0xcbf43926);
}

TEST_CASE("Philox gives the published words") {
  STATIC_REQUIRE(philox({0, 0, 0, 0}, {0, 0}) == PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  STATIC_REQUIRE(philoxKey(0x0123456789abcdef) == std::array<std::uint32_t, 2>{0x89abcdef, 0x01234567});
  STATIC_REQUIRE(philoxBounded(0xffffffff, 10) == 9);
  STATIC_REQUIRE(philoxUniform(0xffffffff) < 1.0f);
}

TEST_CASE("Files are read whole, within their limit, and only when they are regular") {
  Scratch scratch;
  const std::string path = scratch.write("a.txt", "hello");
  CHECK(readWholeFile(path).value() == "hello");
  CHECK(readWholeFile(path, 5).value() == "hello");
  CHECK(readWholeFile(path, 4).error().id == "E-IO-03");
  CHECK(readWholeFile(scratch("b.txt")).error().code == ErrorCode::notFound);
  CHECK(readWholeFile(scratch("")).error().id == "E-IO-02");
  CHECK(readWholeFile("/dev/zero").error().id == "E-IO-02");
  REQUIRE(::mkfifo(scratch("pipe").c_str(), 0600) == 0);
  CHECK(readWholeFile(scratch("pipe")).error().id == "E-IO-02");   // and does not wait for a writer
  CHECK(readWholeFile("/proc/self/status").value().find("Name:") != std::string::npos);
}

TEST_CASE("A file is replaced as a whole, and a failure leaves the old one and no rubbish") {
  Scratch scratch;
  const std::string path = scratch("document.json");
  REQUIRE(writeFileAtomically(path, "first"));
  CHECK(contentOf(path) == "first");
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  REQUIRE(writeFileAtomically(path, "second"));
  CHECK(contentOf(path) == "second");
  CHECK(fs::status(path).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
  CHECK_FALSE(fs::exists(path + ".partial"));

  // Through a link the file it points to is replaced.
  fs::create_symlink(path, scratch("link"));
  REQUIRE(writeFileAtomically(scratch("link"), "third"));
  CHECK(fs::is_symlink(scratch("link")));
  CHECK(contentOf(path) == "third");

  CHECK(writeFileAtomically(scratch("no/such/folder/x"), "x").error().code == ErrorCode::notFound);
  CHECK(writeFileAtomically(scratch.path.string(), "x").error().id == "E-IO-04");

  // The partial file cannot be made: a folder stands in its place. This fails for every user, root included.
  fs::create_directory(path + ".partial");
  CHECK_FALSE(writeFileAtomically(path, "fourth"));
  CHECK(contentOf(path) == "third");
  fs::remove(path + ".partial");

  // A full disk.
  if (fs::exists("/dev/full")) {
    const auto full = writeFileAtomically("/dev/full", "x");
    REQUIRE_FALSE(full.hasValue());
    CHECK(full.error().code == ErrorCode::io);
  }
}

TEST_CASE("The user's folders follow the XDG variables and fall back when they cannot be used") {
  Scratch scratch;
  {
    Environment cache("XDG_CACHE_HOME", scratch.path.c_str());
    CHECK(cacheFolder() == scratch("orrery"));
    CHECK(fs::is_directory(scratch("orrery")));
  }
  {
    Environment config("XDG_CONFIG_HOME", nullptr), home("HOME", scratch.path.c_str());
    CHECK(configFolder() == scratch(".config/orrery"));
  }
  {
    Environment state("XDG_STATE_HOME", "relative/is/ignored"), home("HOME", scratch.path.c_str());
    CHECK(stateFolder() == scratch(".local/state/orrery"));
  }
  {
    const std::string file = scratch.write("not-a-folder", "");
    Environment cache("XDG_CACHE_HOME", file.c_str());
    CHECK(fs::is_directory(cacheFolder()));
    CHECK(cacheFolder().find("not-a-folder") == std::string::npos);
  }
  {
    Environment cache("XDG_CACHE_HOME", nullptr), home("HOME", nullptr);
    CHECK(fs::is_directory(cacheFolder()));
  }
  CHECK(fs::is_directory(resourceFolder() + "/i18n"));
}

TEST_CASE("The catalogues of a language are merged, and missing texts stay English") {
  struct BackToEnglish {
    ~BackToEnglish() { setLanguage("en"); }
  } backToEnglish;
  CHECK(language() == "en");
  CHECK_FALSE(setLanguage("xx"));
  CHECK(language() == "en");
  REQUIRE(setLanguage("zh"));
  CHECK(language() == "zh");
  // Every entry of every file is found, whichever file it is in. Where two files share a text either translation may win.
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(resourceFolder() + "/i18n/zh")) {
    if (entry.path().extension() != ".json") continue;
    ++files;
    INFO(entry.path().string());
    std::ifstream stream(entry.path());
    const auto catalogue = nlohmann::json::parse(stream);
    REQUIRE(catalogue.is_object());
    for (const auto& [english, translated] : catalogue.items()) {
      INFO(english);
      REQUIRE(translated.is_string());
      CHECK(hasTranslation("zh", english));
      if (english != translated.get<std::string>()) CHECK(tr(english) != english);
    }
  }
  CHECK(files >= 2);
  CHECK(tr("cannot open '{}': {}") != "cannot open '{}': {}");
  CHECK(tr("no catalogue holds this") == "no catalogue holds this");
  CHECK_FALSE(hasTranslation("zh", "no catalogue holds this"));
  CHECK(hasTranslation("en", "no catalogue holds this"));
  CHECK(trf("no catalogue: {} {}", 3, "x") == "no catalogue: 3 x");

  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 2000; ++i) {
        setLanguage((i + t) % 2 == 0 ? "en" : "zh");
        (void)tr("cannot open '{}': {}");
      }
    });
  }
  for (auto& thread : threads) thread.join();
  REQUIRE(setLanguage("en"));
  CHECK(tr("cannot open '{}': {}") == "cannot open '{}': {}");
}

TEST_CASE("A file is what its content says, and the most certain format wins") {
  Scratch scratch;
  const auto report = inspectFile(scratch.write("a.zzname", "ZZTEST and more"));
  REQUIRE(report.hasValue());
  CHECK(report.value().kind == "zz-test-magic");
  CHECK(report.value().title == "strict");
  CHECK(inspectFile(scratch("a.zzname"), {.lenient = true}).value().title == "lenient");
  CHECK(inspectFile(scratch.write("b.zzname", "something else")).value().kind == "zz-test-name");
}

TEST_CASE("Content that is called by its name goes before a format that knows only the file name") {
  Scratch scratch;
  CHECK(errorOf(scratch("missing")) == "E-IN-01");
  CHECK(errorOf(scratch.write("empty.bin", "")) == "E-IN-03");
  CHECK(inspectFile(scratch.write("empty.zzname", "")).value().kind == "zz-test-name");   // a format may know what emptiness means
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 1991879104\n";
  CHECK(errorOf(scratch.write("pointer.zzname", pointer)) == "E-IN-11");
  CHECK(inspectFile(scratch("pointer.zzname")).error().message.find("1991879104") != std::string::npos);
  CHECK(errorOf(scratch.write("model.safetensors", pointer)) == "E-ST-02");
  CHECK(errorOf(scratch.write("page.zzname", "  \n<!DOCTYPE HTML><html>")) == "E-IN-12");
  CHECK(errorOf(scratch.write("page.safetensors", "<html><body>404</body></html>")) == "E-ST-03");
  CHECK(errorOf(scratch.write("a.zzname", "\x1f\x8b\x08 gzip")) == "E-IN-13");
  CHECK(errorOf(scratch.write("zeros.zzname", std::string(5000, '\0'))) == "E-IN-14");
  // A magic inside of text is not a magic.
  CHECK(inspectFile(scratch.write("c.zzname", "about ustar and BZh")).value().kind == "zz-test-name");
  // Control characters of a name are not sent to the terminal.
  CHECK(inspectFile(scratch("a\x1b[31mb")).error().message.find('\x1b') == std::string::npos);
}

TEST_CASE("Registered entries are sorted by id, whatever the link order") {
  const auto formats = registered<FileFormat>();
  for (std::size_t i = 1; i < formats.size(); ++i) CHECK(formats[i - 1].id < formats[i].id);
  CHECK(findRegistered<FileFormat>("zz-test-name") != nullptr);
  CHECK(findRegistered<FileFormat>("zz-test") == nullptr);
}
