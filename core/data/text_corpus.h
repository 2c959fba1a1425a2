#pragma once
// A text to learn from byte by byte, with a part held out. The text is cut at blank lines into blocks of whole paragraphs; every tenth
// block is held out, which depends on the text only. core/data knows nothing of networks: windows are bytes.

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/expected.h"

namespace orrery {

class TextCorpus {
 public:
  struct Range {
    std::int64_t begin = 0, end = 0;  // bytes
    std::int64_t size() const { return end - begin; }
  };
  static constexpr std::int64_t blockBytes = 1024;  // a block ends with the paragraph that fills it
  static constexpr std::int64_t heldOutEvery = 10;  // blocks 9, 19, 29 ...

  TextCorpus() = default;
  explicit TextCorpus(std::string text);
  // Error: not a file, or too short to hold a block out.
  static Expected<TextCorpus> open(const std::string& path);

  const std::string& text() const { return text_; }
  const std::vector<Range>& blocks() const { return blocks_; }
  std::vector<Range> heldOut() const;
  // The stretches between held-out blocks.
  const std::vector<Range>& training() const { return training_; }

  // How many windows of `length` bytes lie within training stretches, and where the i-th of them begins.
  std::int64_t windows(std::int64_t length) const;
  std::int64_t windowAt(std::int64_t i, std::int64_t length) const;

 private:
  std::string text_;
  std::vector<Range> blocks_, training_;
};

}  // namespace orrery
