// A set of files arrives whole or not at all.

#include "core/base/folder_writer.h"

#include <sys/resource.h>

#include <csignal>
#include <filesystem>

#include "core/base/files.h"
#include "tests/support/catch.h"
#include "tests/support/scratch.h"

using namespace orrery;
namespace fs = std::filesystem;

namespace {

std::size_t entries(const std::string& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("files arrive together at commit, in folders made for them, and replace older ones") {
  const testing::Scratch scratch;
  const std::string target = scratch.path("new/set");
  fs::create_directories(target + "/a");
  REQUIRE(writeFileAtomically(target + "/a/one.txt", "old"));
  auto writer = FolderWriter::open(target + "/");
  REQUIRE(writer);
  REQUIRE(writer->write("a/one.txt", "new"));
  REQUIRE(writer->write("b/c/two.txt", "22"));
  CHECK(*readWholeFile(target + "/a/one.txt") == "old");
  CHECK_FALSE(fs::exists(target + "/b"));
  const auto written = writer->commit();
  REQUIRE(written);
  CHECK(written->files == 2);
  CHECK(written->bytes == 5);
  CHECK(written->folder == target);
  CHECK(*readWholeFile(target + "/a/one.txt") == "new");
  CHECK(*readWholeFile(target + "/b/c/two.txt") == "22");
  CHECK(entries(target) == 2);  // nothing hidden is left
}

TEST_CASE("without commit nothing is left, not even the folders that were made") {
  const testing::Scratch scratch;
  {
    auto writer = FolderWriter::open(scratch.path("x/y/z"));
    REQUIRE(writer);
    REQUIRE(writer->write("images/1.png", "1"));
    CHECK(fs::exists(scratch.path("x/y/z")));
  }
  CHECK_FALSE(fs::exists(scratch.path("x")));
}

TEST_CASE("what a killed process left behind goes at the next writing, what a living one works on stays") {
  const testing::Scratch scratch;
  // No process has the largest number; process 1 always lives.
  for (const char* name : {"set/.orrery-partial-4194304-0/a", "set/.orrery-partial-1-0/a"}) scratch.write(name, "x");
  auto writer = FolderWriter::open(scratch.path("set"));
  REQUIRE(writer);
  CHECK_FALSE(fs::exists(scratch.path("set/.orrery-partial-4194304-0")));
  CHECK(fs::exists(scratch.path("set/.orrery-partial-1-0")));
  // A second writer into the same folder does not touch the first one's files.
  REQUIRE(writer->write("one.txt", "1"));
  {
    auto other = FolderWriter::open(scratch.path("set"));
    REQUIRE(other);
    REQUIRE(other->write("two.txt", "2"));
    REQUIRE(other->commit());
  }
  REQUIRE(writer->commit());
  CHECK(fs::exists(scratch.path("set/one.txt")));
  CHECK(fs::exists(scratch.path("set/two.txt")));
}

TEST_CASE("a disk that takes no more is one sentence, and the folder stays as it was") {
  const testing::Scratch scratch;
  fs::create_directories(scratch.path("kept"));
  // A limit on the size of files stands for a full disk: write() fails in the middle all the same.
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  rlimit small = before;
  small.rlim_cur = 1000;
  {
    auto writer = FolderWriter::open(scratch.path("kept"));
    REQUIRE(writer);
    REQUIRE(writer->write("small.txt", "fits"));
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    const auto failed = writer->write("large.txt", std::string(5000, 'x'));
    REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == ErrorCode::io);
    CHECK(failed.error().message.find("kept/large.txt") != std::string::npos);
  }
  std::signal(SIGXFSZ, handler);
  CHECK(entries(scratch.path("kept")) == 0);
}

TEST_CASE("a target that is a file, and a name that is a folder there, are refused before anything is moved") {
  const testing::Scratch scratch;
  REQUIRE(writeFileAtomically(scratch.path("file"), "x"));
  const auto onFile = FolderWriter::open(scratch.path("file"));
  REQUIRE_FALSE(onFile);
  CHECK(onFile.error().message.find("it is not a folder") != std::string::npos);
  REQUIRE_FALSE(FolderWriter::open("/proc/nowhere"));

  fs::create_directories(scratch.path("set/two.txt"));
  auto writer = FolderWriter::open(scratch.path("set"));
  REQUIRE(writer);
  CHECK_FALSE(writer->write("../one.txt", "1"));
  CHECK_FALSE(writer->write("/one.txt", "1"));
  REQUIRE(writer->write("one.txt", "1"));
  REQUIRE(writer->write("two.txt", "2"));
  const auto failed = writer->commit();
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message.find("two.txt") != std::string::npos);
  CHECK_FALSE(fs::exists(scratch.path("set/one.txt")));
}
