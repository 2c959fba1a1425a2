#include "core/modelfile/zip.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "core/base/text.h"

namespace orrery::modelfile {

namespace {

Error bad(const char* id, std::string message) { return makeError(ErrorCode::badInput, std::move(message), id); }
Error damaged(std::string_view what) {
  return bad("E-NP-13", trf("zip directory damaged: {}; download or save the file again", what));
}

constexpr std::uint32_t endMark = 0x06054b50, end64Mark = 0x06064b50, end64LocatorMark = 0x07064b50, centralMark = 0x02014b50,
                        localMark = 0x04034b50;
constexpr std::uint64_t mostMembers = 1048576;
// Deflate cannot do better than 1032:1; a larger declared ratio is a lie.
constexpr std::uint64_t largestRatio = 1032;

bool validUtf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const int length = c < 0x80 ? 1 : c >= 0xC2 && c < 0xE0 ? 2 : c >= 0xE0 && c < 0xF0 ? 3 : c >= 0xF0 && c < 0xF5 ? 4 : 0;
    if (length == 0 || i + static_cast<std::size_t>(length) > text.size()) return false;
    for (int k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + static_cast<std::size_t>(k)]) & 0xC0) != 0x80) return false;
    }
    i += static_cast<std::size_t>(length);
  }
  return true;
}

}  // namespace

Expected<ZipDirectory> ZipDirectory::open(const BoundedReader& reader) {
  ZipDirectory directory(reader);
  if (auto parsed = directory.parse(); !parsed) return parsed.error();
  return directory;
}

Expected<void> ZipDirectory::parse() {
  const std::uint64_t size = reader_.size();

  // Find the end record: the mark whose comment length reaches exactly to the end of the file.
  const std::uint64_t tailBytes = std::min<std::uint64_t>(size, 65557);
  auto tail = reader_.readAt(size - tailBytes, tailBytes);
  if (!tail) return tail.error();
  std::uint64_t end = 0;
  int candidates = 0;
  for (std::size_t i = 0; i + 22 <= tail->size(); ++i) {
    if (littleEndian<std::uint32_t>(*tail, i) == endMark && i + 22 + littleEndian<std::uint16_t>(*tail, i + 20) == tail->size()) {
      end = size - tailBytes + i;
      ++candidates;
    }
  }
  if (candidates == 0) return damaged(trf("no end record in {}", bytesAsText(size)));
  if (candidates > 1) return damaged(tr("several end records (a second one hides in the comment)"));
  const std::size_t endInTail = static_cast<std::size_t>(end - (size - tailBytes));
  std::uint64_t count = littleEndian<std::uint16_t>(*tail, endInTail + 10);
  std::uint64_t bytes = littleEndian<std::uint32_t>(*tail, endInTail + 12);
  std::uint64_t offset = littleEndian<std::uint32_t>(*tail, endInTail + 16);
  std::uint64_t directoryEnd = end;

  // Zip64: the real numbers stand in a record of their own.
  if (count == 0xFFFF || bytes == 0xFFFFFFFF || offset == 0xFFFFFFFF) {
    if (end < 20) return damaged(tr("the zip64 record is missing"));
    auto locator = reader_.readAt(end - 20, 20);
    if (!locator) return locator.error();
    if (littleEndian<std::uint32_t>(*locator, 0) != end64LocatorMark) {
      return damaged(tr("the zip64 record is missing"));
    }
    const std::uint64_t record = littleEndian<std::uint64_t>(*locator, 8);
    if (record > size || size - record < 56) return damaged(tr("the zip64 record lies outside the file"));
    auto end64 = reader_.readAt(record, 56);
    if (!end64) return end64.error();
    if (littleEndian<std::uint32_t>(*end64, 0) != end64Mark) return damaged(tr("the zip64 record is missing"));
    count = littleEndian<std::uint64_t>(*end64, 32);
    bytes = littleEndian<std::uint64_t>(*end64, 40);
    offset = littleEndian<std::uint64_t>(*end64, 48);
    directoryEnd = record;
  }
  if (count > mostMembers) return damaged(trf("it claims {} members, at most {} are read", count, mostMembers));
  if (bytes > directoryEnd) return damaged(trf("it claims {}, {} are there", bytesAsText(bytes), bytesAsText(directoryEnd)));
  const std::uint64_t start = directoryEnd - bytes;
  if (offset > start) return damaged(trf("it should start at byte {}, but can at most start at {}", offset, start));
  const std::uint64_t prefix = start - offset;
  if (prefix > 0) notes_.push_back(trf("{} stand before the zip archive; offsets were checked against it", bytesAsText(prefix)));
  if (count * 46 > bytes) return damaged(trf("{} members do not fit into {}", count, bytesAsText(bytes)));

  // Read the central directory.
  auto central = reader_.readAt(start, bytes);
  if (!central) return central.error();
  std::set<std::string> names;
  std::size_t at = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (at + 46 > central->size() || littleEndian<std::uint32_t>(*central, at) != centralMark) {
      return damaged(trf("entry {} of {} is not where it should be", i + 1, count));
    }
    const std::uint16_t flags = littleEndian<std::uint16_t>(*central, at + 8);
    ZipMember member;
    member.method = littleEndian<std::uint16_t>(*central, at + 10);
    member.crc = littleEndian<std::uint32_t>(*central, at + 16);
    member.compressedBytes = littleEndian<std::uint32_t>(*central, at + 20);
    member.bytes = littleEndian<std::uint32_t>(*central, at + 24);
    const std::size_t nameBytes = littleEndian<std::uint16_t>(*central, at + 28);
    const std::size_t extraBytes = littleEndian<std::uint16_t>(*central, at + 30);
    const std::size_t commentBytes = littleEndian<std::uint16_t>(*central, at + 32);
    member.localHeader = littleEndian<std::uint32_t>(*central, at + 42);
    if (at + 46 + nameBytes + extraBytes + commentBytes > central->size()) return damaged(trf("entry {} runs past the end", i + 1));
    member.name.assign(reinterpret_cast<const char*>(central->data() + at + 46), nameBytes);

    // Zip64 extra field: the values that are all ones above, in this order.
    std::size_t extra = at + 46 + nameBytes;
    const std::size_t extraEnd = extra + extraBytes;
    while (extra + 4 <= extraEnd) {
      const std::uint16_t tag = littleEndian<std::uint16_t>(*central, extra);
      const std::size_t length = littleEndian<std::uint16_t>(*central, extra + 2);
      std::size_t field = extra + 4;
      if (field + length > extraEnd) break;
      if (tag == 1) {
        const std::size_t fieldEnd = field + length;
        for (std::uint64_t* value : {&member.bytes, &member.compressedBytes, &member.localHeader}) {
          if (*value != 0xFFFFFFFF) continue;
          if (field + 8 > fieldEnd) return damaged(trf("the zip64 field of entry {} is too short", i + 1));
          *value = littleEndian<std::uint64_t>(*central, field);
          field += 8;
        }
      }
      extra += 4 + length;
    }
    at += 46 + nameBytes + extraBytes + commentBytes;
    member.localHeader += prefix;

    // What is wrong with this one member only?
    const auto problem = [&](const char* id, std::string text) {
      if (member.problem.empty()) {
        member.problem = std::move(text);
        member.problemId = id;
      }
    };
    if (member.name.find('\0') != std::string::npos || !validUtf8(member.name)) problem("E-NP-14", tr("its name is not valid text"));
    if (member.name.size() > 4096) problem("E-NP-14", tr("its name is longer than 4 096 bytes"));
    if (!names.insert(member.name).second) problem("E-NP-14", tr("another member has the same name"));
    if (flags & 1) problem("E-NP-15", tr("it is encrypted"));
    if (member.method != 0 && member.method != 8) problem("E-NP-15", trf("compression method {} is not known", member.method));
    if (member.method == 0 && member.bytes != member.compressedBytes) problem("E-NP-15", tr("a stored member has two different sizes"));
    if (member.bytes / largestRatio > member.compressedBytes + 1) {
      problem("E-NP-12", trf("it declares {} from {}: more than deflate can do", bytesAsText(member.bytes), bytesAsText(member.compressedBytes)));
    }

    // The local header must tell the same story.
    if (member.localHeader > start || start - member.localHeader < 30) return damaged(trf("member '{}' lies outside the archive", shown(member.name)));
    auto local = reader_.readAt(member.localHeader, 30);
    if (!local) return local.error();
    if (littleEndian<std::uint32_t>(*local, 0) != localMark) return damaged(trf("member '{}' is not where the directory says", shown(member.name)));
    const std::size_t localName = littleEndian<std::uint16_t>(*local, 26), localExtra = littleEndian<std::uint16_t>(*local, 28);
    member.data = member.localHeader + 30 + localName + localExtra;
    if (member.data > start || member.compressedBytes > start - member.data) {
      return damaged(trf("member '{}' runs past the directory: {} declared", shown(member.name), bytesAsText(member.compressedBytes)));
    }
    auto localNameText = reader_.readAt(member.localHeader + 30, localName);
    if (!localNameText) return localNameText.error();
    const std::uint32_t localCrc = littleEndian<std::uint32_t>(*local, 14), localPacked = littleEndian<std::uint32_t>(*local, 18),
                        localSize = littleEndian<std::uint32_t>(*local, 22);
    const bool descriptor = (flags & 8) != 0;   // the local sizes are then zero and follow the data
    const bool wide = localPacked == 0xFFFFFFFF || localSize == 0xFFFFFFFF;
    const bool same = std::string_view(reinterpret_cast<const char*>(localNameText->data()), localName) == member.name &&
                      littleEndian<std::uint16_t>(*local, 8) == member.method && (littleEndian<std::uint16_t>(*local, 6) & 1) == (flags & 1) &&
                      (descriptor || (localCrc == member.crc && (wide || (localPacked == member.compressedBytes && localSize == member.bytes))));
    if (!same) problem("E-NP-16", tr("inconsistent entry: its local header and the directory disagree"));
    members_.push_back(std::move(member));
  }
  if (at != central->size()) return damaged(trf("{} after its last entry", bytesAsText(central->size() - at)));

  // No two members may share bytes (Fifield 2019: overlapping members make small bombs).
  std::vector<const ZipMember*> order;
  for (const auto& member : members_) order.push_back(&member);
  std::sort(order.begin(), order.end(), [](const ZipMember* a, const ZipMember* b) { return a->localHeader < b->localHeader; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (order[i]->localHeader < order[i - 1]->data + order[i - 1]->compressedBytes) {
      return bad("E-NP-12", trf("members '{}' and '{}' overlap: refused", shown(order[i - 1]->name), shown(order[i]->name)));
    }
  }
  return {};
}

Expected<std::vector<std::byte>> ZipDirectory::read(const ZipMember& member, std::uint64_t limit) const {
  if (!member.problem.empty()) return bad(member.problemId.c_str(), trf("member '{}': {}", shown(member.name), member.problem));
  const std::uint64_t wanted = std::min(member.bytes, limit);
  const auto mismatch = [&](std::string_view what) { return bad("E-NP-15", trf("member '{}': {}", shown(member.name), what)); };

  if (member.method == 0) {
    auto data = reader_.readAt(member.data, wanted);
    if (data && wanted == member.bytes && ::crc32_z(0, reinterpret_cast<const Bytef*>(data->data()), data->size()) != member.crc) {
      return mismatch(tr("the checksum does not match: the file is damaged"));
    }
    return data;
  }

  // Inflate in pieces into a buffer of the declared size, and never past it.
  std::vector<std::byte> result(wanted);
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return makeError(ErrorCode::outOfMemory, tr("no memory to inflate a zip member"));
  struct Closer {
    z_stream* stream;
    ~Closer() { inflateEnd(stream); }
  } closer{&stream};
  constexpr std::uint64_t chunk = 1 << 20;
  std::uint64_t read = 0, written = 0;
  std::byte spare{};
  int state = Z_OK;
  std::vector<std::byte> packed;
  while (state != Z_STREAM_END) {
    if (stream.avail_in == 0) {
      if (read == member.compressedBytes) return mismatch(tr("its compressed data end too early"));
      auto piece = reader_.readAt(member.data + read, std::min(chunk, member.compressedBytes - read));
      if (!piece) return piece.error();
      packed = std::move(*piece);
      read += packed.size();
      stream.next_in = reinterpret_cast<Bytef*>(packed.data());
      stream.avail_in = static_cast<uInt>(packed.size());
    }
    const bool full = written == wanted;
    if (full && wanted < member.bytes) return result;   // only the front was asked for
    stream.next_out = reinterpret_cast<Bytef*>(full ? &spare : result.data() + written);
    const std::uint64_t room = full ? 1 : std::min<std::uint64_t>(wanted - written, chunk);
    stream.avail_out = static_cast<uInt>(room);
    state = ::inflate(&stream, Z_NO_FLUSH);
    if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR) return mismatch(tr("its compressed data are damaged"));
    const std::uint64_t made = room - stream.avail_out;
    if (full && made > 0) return bad("E-NP-12", trf("member '{}' inflates beyond its declared size of {}", shown(member.name), bytesAsText(member.bytes)));
    if (!full) written += made;
  }
  if (written != wanted) return mismatch(trf("it inflates to {} instead of {}", bytesAsText(written), bytesAsText(member.bytes)));
  if (wanted == member.bytes && ::crc32_z(0, reinterpret_cast<const Bytef*>(result.data()), result.size()) != member.crc) {
    return mismatch(tr("the checksum does not match: the file is damaged"));
  }
  return result;
}

}  // namespace orrery::modelfile
