#include "app/export/film_recipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>

#include "app/export/film.h"
#include "app/export/media_file.h"
#include "app/export/video_stream.h"
#include "core/base/text.h"
#include "core/session/session.h"

namespace orrery::exporting {

namespace {

// A comment is a row of blocks of up to 255 bytes (GIF89a, section 24).
constexpr std::size_t blockBytes = 255;
constexpr char trailer = 0x3B, extension = 0x21, imageStart = 0x2C;
constexpr unsigned char commentLabel = 0xFE;
constexpr std::size_t longestComment = std::size_t{64} << 20;

bool isOurs(const std::string& text) {
  const auto json = parseRecipe(text);
  return json && json->is_object() && json->contains("orrery");
}

// Follows the blocks of a GIF without decoding any.
class GifBlocks {
 public:
  explicit GifBlocks(const std::string& path) : file_(path, std::ios::binary) {}

  std::string lastComment() {
    char head[13];
    if (!file_.read(head, sizeof head)) return {};
    skipTable(static_cast<unsigned char>(head[10]));
    std::string comment;
    for (char kind = 0; file_.get(kind) && kind != trailer;) {
      if (kind == extension) {
        const int label = file_.get();
        std::string text = blocks(label == commentLabel);
        if (label == commentLabel) comment = std::move(text);
      } else if (kind == imageStart) {
        char place[9];
        if (!file_.read(place, sizeof place)) break;
        skipTable(static_cast<unsigned char>(place[8]));
        file_.get();  // code size
        (void)blocks(false);
      } else {
        break;
      }
    }
    return file_ ? comment : std::string();
  }

 private:
  void skipTable(unsigned flags) {
    if (flags & 0x80) file_.seekg(3 << ((flags & 7) + 1), std::ios::cur);
  }
  std::string blocks(bool keep) {
    std::string text;
    char part[blockBytes];
    for (int size; (size = file_.get()) > 0;) {
      if (!file_.read(part, size)) return {};
      if (keep && text.size() < longestComment) text.append(part, static_cast<std::size_t>(size));
    }
    return text;
  }
  std::ifstream file_;
};

}  // namespace

bool looksLikeFilm(std::string_view head) {
  using namespace std::string_view_literals;
  return head.starts_with("GIF87a") || head.starts_with("GIF89a") || head.starts_with("\x1A\x45\xDF\xA3"sv) || (head.size() >= 12 && head.substr(4, 4) == "ftyp");
}

Expected<void> appendGifComment(const std::string& path, std::string_view text) {
  std::string tail{extension, static_cast<char>(commentLabel)};
  for (std::size_t at = 0; at < text.size(); at += blockBytes) {
    const auto part = text.substr(at, blockBytes);
    tail += static_cast<char>(static_cast<unsigned char>(part.size()));
    tail += part;
  }
  tail += '\0';
  tail += trailer;
  const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return writeError(path, errno);
  const auto end = ::lseek(file, -1, SEEK_END);
  int failure = end < 0 ? errno : 0;
  for (std::size_t done = 0; done < tail.size() && failure == 0;) {
    const auto put = ::write(file, tail.data() + done, tail.size() - done);
    if (put >= 0) done += static_cast<std::size_t>(put);
    else if (errno != EINTR) failure = errno;
  }
  if (failure == 0 && ::fsync(file) != 0) failure = errno;
  ::close(file);
  if (failure != 0) return writeError(path, failure);
  return {};
}

Expected<std::string> gifComment(const std::string& path) { return GifBlocks(path).lastComment(); }

Expected<std::string> recipeInFilm(const std::string& path) {
  const auto none = [&] {
    return makeError(ErrorCode::notFound, trf("'{}' carries no Orrery recipe: only films that Orrery wrote with their recipe can be reopened", path), "E-RCP-01");
  };
  char head[6] = {};
  std::ifstream(path, std::ios::binary).read(head, sizeof head);
  std::string text;
  if (std::string_view(head, 3) == "GIF") {
    const auto comment = gifComment(path);
    if (!comment) return comment.error();
    text = *comment;
  } else {
    auto reader = VideoReader::open(path);
    if (!reader) return reader.error();
    const auto* tag = av_dict_get((*reader)->container()->metadata, "comment", nullptr, 0);
    if (tag) text = tag->value;
  }
  if (text.empty() || !isOurs(text)) return none();
  return text;
}

}  // namespace orrery::exporting
