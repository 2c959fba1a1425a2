// ShapeWorld as a detection data set and the simulated detector (see detections_shapeworld.h).

#include "core/data/detections_shapeworld.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

#include <fmt/format.h>

#include "core/base/philox.h"
#include "core/data/coco.h"

namespace orrery {

ShapeWorldTruth shapeWorldClasses() {
  ShapeWorldTruth result;
  for (std::size_t k = 0; k < shapeworld::classNames.size(); ++k) {
    result.truth.classes.push_back({static_cast<std::int64_t>(k) + 1, std::string(shapeworld::classNames[k])});
  }
  return result;
}

void addShapeWorldImage(ShapeWorldTruth& to, std::uint32_t index, int size, const std::vector<shapeworld::Annotation>& notes, bool masks) {
  const auto image = static_cast<std::uint32_t>(to.truth.images.size());
  to.truth.images.push_back({static_cast<std::int64_t>(index) + 1, fmt::format("shapeworld_{:06}.png", index), size, size});
  for (const auto& note : notes) {
    TruthBox box;
    box.x = note.x0, box.y = note.y0, box.width = note.x1 - note.x0, box.height = note.y1 - note.y0;
    box.area = note.area;
    box.image = image;
    box.category = static_cast<std::uint32_t>(note.classId);
    box.id = static_cast<std::int64_t>(to.truth.boxes.size()) + 1;
    box.crowd = note.crowd;
    box.difficult = note.difficult && !note.crowd;
    box.truncated = note.truncated;
    to.truth.boxes.push_back(box);
    if (!masks) continue;
    std::vector<std::uint8_t> whole(static_cast<std::size_t>(size * size));
    const int width = note.x1 - note.x0;
    for (int y = note.y0; y < note.y1; ++y) {
      const auto from = note.mask.begin() + static_cast<std::ptrdiff_t>((y - note.y0) * width);
      std::copy(from, from + width, whole.begin() + static_cast<std::ptrdiff_t>(y * size + note.x0));
    }
    to.segmentations.push_back(cocoRle(whole, size, size));
  }
}

ShapeWorldTruth shapeWorldTruth(const shapeworld::Options& options, std::uint32_t first, std::uint32_t count, int size, bool masks) {
  // Draw the scenes on every core; their order does not matter to them.
  std::vector<std::vector<shapeworld::Annotation>> notes(count);
  std::atomic<std::uint32_t> next{0};
  const auto work = [&] {
    for (std::uint32_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) {
      const auto scene = shapeworld::makeScene(first + i, options);
      notes[i] = masks ? shapeworld::render(scene, size, options).annotations : shapeworld::annotate(scene, size);
    }
  };
  {
    std::vector<std::jthread> pool;
    for (unsigned t = 1; t < std::thread::hardware_concurrency(); ++t) pool.emplace_back(work);
    work();
  }

  ShapeWorldTruth result = shapeWorldClasses();
  for (std::uint32_t i = 0; i < count; ++i) addShapeWorldImage(result, first + i, size, notes[i], masks);
  return result;
}

namespace {

constexpr std::uint32_t backgroundObject = 0xffffu;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// Random words of one object: block b of (detector, image, object).
struct Noise {
  std::array<std::uint32_t, 2> key;
  std::uint32_t stream, object, image;
  PhiloxBlock block(std::uint32_t b) const { return philox({b, stream, object, 0x44000000u | image}, key); }
};

double overlapWith(const ScoredBox& a, const TruthBox& b) {
  const double w = std::min(a.x + a.width, b.x + b.width) - std::max(a.x, b.x), h = std::min(a.y + a.height, b.y + b.height) - std::max(a.y, b.y);
  return w <= 0 || h <= 0 ? 0 : w * h / (a.area() + b.width * b.height - w * h);
}

}  // namespace

std::vector<ScoredBox> simulate(const GroundTruth& truth, const SimulatedDetector& detector, std::uint64_t seed, std::uint32_t number) {
  std::vector<ScoredBox> result;
  const auto key = philoxKey(seed);
  const auto classes = static_cast<std::uint32_t>(truth.classes.size());
  const auto otherClass = [&](std::uint32_t category, std::uint32_t word) {
    return classes < 2 ? category : (category + 1 + philoxBounded(word, classes - 1)) % classes;
  };
  std::vector<std::vector<const TruthBox*>> byImage(truth.images.size());
  for (const TruthBox& box : truth.boxes) byImage[box.image].push_back(&box);

  for (std::uint32_t image = 0; image < truth.images.size(); ++image) {
    // Find objects, with some candidates each. A crowd is seen as a crowd: its members are found at random places inside it.
    for (std::uint32_t j = 0; j < byImage[image].size(); ++j) {
      const TruthBox& object = *byImage[image][j];
      const Noise noise{key, 0x200u + number, j, image};
      const auto first = noise.block(0);
      const double found = detector.recall * std::min(1.0, std::sqrt(object.width * object.height) / 24);
      if (philoxUniform(first[0]) >= found) continue;
      const std::uint32_t candidates = 1 + philoxBounded(first[1], static_cast<std::uint32_t>(2 * detector.duplicates + 1));
      for (std::uint32_t c = 0; c < candidates; ++c) {
        const auto a = noise.block(1 + 3 * c), b = noise.block(2 + 3 * c), extra = noise.block(3 + 3 * c);
        const auto shift = philoxNormals(a[0], a[1]), grow = philoxNormals(a[2], a[3]), rank = philoxNormals(b[0], b[1]);
        ScoredBox box;
        box.image = image;
        box.width = object.width * std::exp(0.7 * detector.jitter * grow[0]);
        box.height = object.height * std::exp(0.7 * detector.jitter * grow[1]);
        box.x = object.x + object.width / 2 + detector.jitter * object.width * shift[0] - box.width / 2;
        box.y = object.y + object.height / 2 + detector.jitter * object.height * shift[1] - box.height / 2;
        if (object.crowd) {
          box.width *= 0.4, box.height *= 0.4;
          box.x = object.x + philoxUniform(extra[0]) * (object.width - box.width);
          box.y = object.y + philoxUniform(extra[1]) * (object.height - box.height);
        }
        const double overlap = object.crowd ? 0.7 : overlapWith(box, object);
        box.score = sigmoid(4 * detector.ranking * (overlap - 0.5) + 1 + 0.7 * (1 - detector.ranking) * rank[0]);
        box.category = philoxUniform(b[2]) < detector.confusion ? otherClass(object.category, b[3]) : object.category;
        result.push_back(box);
      }
    }
    // Add false alarms: Poisson by inversion of one uniform, so that a moved slider keeps the earlier boxes.
    const Noise noise{key, 0x200u + number, backgroundObject, image};
    const double u = philoxUniform(noise.block(0)[0]);
    double term = std::exp(-detector.falseAlarms), sum = term;
    std::uint32_t alarms = 0;
    while (sum < u && alarms < 200) {
      ++alarms;
      term *= detector.falseAlarms / alarms;
      sum += term;
    }
    const double width = std::max(1, truth.images[image].width), height = std::max(1, truth.images[image].height);
    for (std::uint32_t n = 0; n < alarms; ++n) {
      const auto a = noise.block(1 + 2 * n), b = noise.block(2 + 2 * n);
      ScoredBox box;
      box.image = image;
      box.width = width * 0.08 * std::exp(1.6 * philoxUniform(a[0]));
      box.height = height * 0.08 * std::exp(1.6 * philoxUniform(a[1]));
      box.x = (width - box.width) * philoxUniform(a[2]);
      box.y = (height - box.height) * philoxUniform(a[3]);
      box.category = philoxBounded(b[0], std::max(1u, classes));
      box.score = sigmoid(-1 + philoxNormals(b[1], b[2])[0]);
      result.push_back(box);
    }
  }
  return result;
}

}  // namespace orrery
