#include "core/data/text_corpus.h"

#include <algorithm>

#include "core/base/files.h"
#include "core/base/text.h"

namespace orrery {

TextCorpus::TextCorpus(std::string text) : text_(std::move(text)) {
  const auto size = static_cast<std::int64_t>(text_.size());
  for (std::int64_t begin = 0; begin < size;) {
    // Take whole paragraphs until the block is full; blank lines belong to the paragraph before them.
    std::int64_t end = begin;
    while (end < size && end - begin < blockBytes) {
      const auto blank = text_.find("\n\n", static_cast<std::size_t>(end));
      end = blank == std::string::npos ? size : static_cast<std::int64_t>(std::min(text_.find_first_not_of('\n', blank), text_.size()));
    }
    blocks_.push_back({begin, end});
    begin = end;
  }
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    if (i % heldOutEvery == heldOutEvery - 1) continue;
    if (training_.empty() || training_.back().end != blocks_[i].begin) training_.push_back(blocks_[i]);
    training_.back().end = blocks_[i].end;
  }
}

Expected<TextCorpus> TextCorpus::open(const std::string& path) {
  auto text = readWholeFile(path, std::uint64_t{1} << 28);
  if (!text) return text.error();
  TextCorpus corpus(*std::move(text));
  if (static_cast<std::int64_t>(corpus.blocks_.size()) < heldOutEvery) {
    return makeError(ErrorCode::badInput, trf("{} has {} bytes; at least {} paragraphs of {} bytes are needed to hold one of {} out", path,
                                              corpus.text_.size(), heldOutEvery, blockBytes, heldOutEvery));
  }
  return corpus;
}

std::vector<TextCorpus::Range> TextCorpus::heldOut() const {
  std::vector<Range> result;
  for (std::size_t i = heldOutEvery - 1; i < blocks_.size(); i += heldOutEvery) result.push_back(blocks_[i]);
  return result;
}

std::int64_t TextCorpus::windows(std::int64_t length) const {
  std::int64_t count = 0;
  for (const Range& r : training_) count += std::max<std::int64_t>(r.size() - length + 1, 0);
  return count;
}

std::int64_t TextCorpus::windowAt(std::int64_t i, std::int64_t length) const {
  for (const Range& r : training_) {
    const std::int64_t here = std::max<std::int64_t>(r.size() - length + 1, 0);
    if (i < here) return r.begin + i;
    i -= here;
  }
  return 0;
}

}  // namespace orrery
