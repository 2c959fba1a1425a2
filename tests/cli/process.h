#pragma once
// Runs the program as a process and collects what it says.

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace orrery::test {

struct Ran {
  int code = -1;  // 128 + signal when it was killed
  std::string out, err;
  double seconds = 0;
  nlohmann::json json() const;  // of `out`; fails the test when it is none
};

// Environment: that of the test with these changes; an empty text removes a variable. `stdoutTo` replaces stdout by this file.
Ran runProgram(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& environment = {},
               const std::string& stdoutTo = {});

// The program refused: this code, nothing on stdout, exactly one sentence on stderr, and these words in it.
void checkRefused(const Ran& ran, int code, const std::vector<std::string>& words);

// A folder of its own for each test, removed at its end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  std::string path(const std::string& name = {}) const;
  std::string write(const std::string& name, const std::string& content) const;
  static std::string read(const std::string& path);

 private:
  std::string folder_;
};

// The ids of all labs of the program.
std::vector<std::string> labIds();

}  // namespace orrery::test
