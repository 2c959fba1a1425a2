#include "tests/cli/process.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "tests/support/catch.h"

extern char** environ;

namespace orrery::test {

namespace {

// Reads until the other end is closed.
void drain(int from, std::string& into) {
  char bytes[65536];
  for (;;) {
    const auto got = ::read(from, bytes, sizeof bytes);
    if (got <= 0) break;
    into.append(bytes, static_cast<std::size_t>(got));
  }
  ::close(from);
}

}  // namespace

nlohmann::json Ran::json() const {
  INFO(err);
  INFO(out.substr(0, 2000));
  auto parsed = nlohmann::json::parse(out, nullptr, false);
  REQUIRE_FALSE(parsed.is_discarded());
  return parsed;
}

Ran runProgram(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& environment,
               const std::string& stdoutTo) {
  std::map<std::string, std::string> variables;
  for (char** one = environ; *one; ++one) {
    const std::string text = *one;
    variables[text.substr(0, text.find('='))] = text.substr(text.find('=') + 1);
  }
  for (const auto& [name, value] : environment) variables[name] = value;
  std::vector<std::string> settings, words{ORRERY_EXECUTABLE};
  for (const auto& [name, value] : variables) {
    if (!(value.empty() && environment.contains(name))) settings.push_back(name + "=" + value);
  }
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv, envp;
  for (auto& word : words) argv.push_back(word.data());
  for (auto& setting : settings) envp.push_back(setting.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);

  int out[2], err[2];
  REQUIRE(::pipe2(out, O_CLOEXEC) == 0);
  REQUIRE(::pipe2(err, O_CLOEXEC) == 0);
  const auto began = std::chrono::steady_clock::now();
  const auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const int target = stdoutTo.empty() ? out[1] : ::open(stdoutTo.c_str(), O_WRONLY);
    ::dup2(target, STDOUT_FILENO);
    ::dup2(err[1], STDERR_FILENO);
    ::execve(ORRERY_EXECUTABLE, argv.data(), envp.data());
    ::_exit(126);
  }
  ::close(out[1]);
  ::close(err[1]);
  Ran ran;
  std::thread reader([&] { drain(err[0], ran.err); });
  drain(out[0], ran.out);
  reader.join();
  int status = 0;
  ::waitpid(child, &status, 0);
  ran.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ran;
}

void checkRefused(const Ran& ran, int code, const std::vector<std::string>& words) {
  INFO("stdout: " << ran.out.substr(0, 500));
  INFO("stderr: " << ran.err.substr(0, 2000));
  CHECK(ran.code == code);
  CHECK(ran.out.empty());
  CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
  CHECK(ran.err.starts_with("orrery: "));
  for (const auto& word : words) {
    INFO(word);
    CHECK(ran.err.find(word) != std::string::npos);
  }
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "orrery-cli-XXXXXX").string();
  REQUIRE(::mkdtemp(name.data()));
  folder_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string TemporaryFolder::path(const std::string& name) const { return name.empty() ? folder_ : folder_ + "/" + name; }

std::string TemporaryFolder::write(const std::string& name, const std::string& content) const {
  std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
  std::ofstream(path(name), std::ios::binary) << content;
  return path(name);
}

std::string TemporaryFolder::read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> labIds() {
  static const auto ids = [] {
    std::vector<std::string> found;
    for (const auto& lab : runProgram({"labs", "--json"}).json()) found.push_back(lab["id"]);
    return found;
  }();
  return ids;
}

}  // namespace orrery::test
