// Positions. Sources: Vaswani et al. 2017, section 3.5; Dosovitskiy et al. 2021 (1-D raster numbers); Esser et al. 2024, section 5.3.2
// (2-D, grids cropped and rescaled). With omega_i = 10000^(-4 i / D): <code(p), code(q)> = sum_i cos(omega_i dx) + sum_i cos(omega_i dy), a
// function of p - q alone.

#include "core/labs/generative/sd3/positions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/data/shapeworld.h"
#include "core/labs/generative/sd3/picture.h"
#include "core/labs/generative/sd3/picture_file.h"
#include "core/labs/generative/shared/curves.h"

namespace orrery::generative::sd3 {

namespace {

constexpr int trainingSide = 128;
constexpr std::int64_t mostShownSide = 384;  // pixels of a small picture's longer side

std::string nameOf(PositionKind kind) {
  switch (kind) {
    case PositionKind::none:
      return tr("None");
    case PositionKind::raster:
      return tr("1-D raster");
    case PositionKind::crop:
      return tr("2-D crop");
    case PositionKind::rescale:
      return tr("2-D rescale");
  }
  return {};
}

}  // namespace

PositionKind positionKind(const std::string& id) {
  return id == "none"      ? PositionKind::none
         : id == "raster"  ? PositionKind::raster
         : id == "rescale" ? PositionKind::rescale
                           : PositionKind::crop;
}

std::array<double, 2> PositionGrid::placeOf(double row, double column) const {
  const auto real = [](std::int64_t v) { return static_cast<double>(v); };
  switch (kind) {
    case PositionKind::none:
      return {0, 0};
    case PositionKind::raster:
      return {0, row * real(columns) + column};
    case PositionKind::crop:
      // Whole places, as the authors' code cuts them.
      return {row + real((table - rows) / 2), column + real((table - columns) / 2)};
    case PositionKind::rescale: {
      const double first = real((table - trained) / 2);
      return {first + (row + 0.5) * real(trained) / real(rows) - 0.5, first + (column + 0.5) * real(trained) / real(columns) - 0.5};
    }
  }
  return {};
}

std::array<std::int64_t, 2> PositionGrid::trainedToken(std::int64_t row, std::int64_t column) const {
  const auto place = placeOf(static_cast<double>(row), static_cast<double>(column));
  if (kind == PositionKind::none) return {-1, -1};
  if (kind == PositionKind::raster) {
    const std::int64_t number = std::llround(place[1]);
    return number < trained * trained ? std::array<std::int64_t, 2>{number / trained, number % trained}
                                      : std::array<std::int64_t, 2>{-1, -1};
  }
  const std::int64_t first = (table - trained) / 2, r = std::llround(place[0]) - first, c = std::llround(place[1]) - first;
  if (r < 0 || c < 0 || r >= trained || c >= trained) return {-1, -1};
  return {r, c};
}

std::vector<double> positionCode(PositionKind kind, std::array<double, 2> place, std::int64_t width) {
  std::vector<double> code;
  if (kind == PositionKind::none) return std::vector<double>(static_cast<std::size_t>(width), 0.0);
  const bool plane = kind != PositionKind::raster;
  const std::int64_t waves = plane ? width / 4 : width / 2;
  for (const double along : plane ? std::vector<double>{place[1], place[0]} : std::vector<double>{place[1]}) {
    for (const bool cosine : {false, true}) {
      for (std::int64_t i = 0; i < waves; ++i) {
        const double angle = along * std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(waves));
        code.push_back(cosine ? std::cos(angle) : std::sin(angle));
      }
    }
  }
  return code;
}

PositionGrid Positions::gridOf(PositionKind kind) const {
  PositionGrid grid = grid_;
  grid.kind = kind;
  return grid;
}

bool Positions::touched(const LabContext& context) const {
  return context.anyChanged({"picture", "fit", "columns", "rows", "positions", "table", "trained", "token-row", "token-column", "depth"});
}

Expected<void> Positions::update(LabContext& context) {
  const auto size = pictureSize(context);
  if (!size) return size.error();
  PositionGrid grid;
  grid.kind = positionKind(context.text("positions"));
  grid.rows = size->height / 16, grid.columns = size->width / 16;
  grid.table = context.integer("table");
  grid.trained = std::min(context.integer("trained"), grid.table);
  if (grid.rows > grid.table || grid.columns > grid.table) {
    return makeError(ErrorCode::usage,
                     trf("A picture of {} × {} has {} × {} tokens, the position table has {} × {}: take a smaller picture or a "
                         "larger table",
                         size->width, size->height, grid.columns, grid.rows, grid.table, grid.table));
  }
  grid_ = grid;
  pixelsWide_ = size->width, pixelsHigh_ = size->height;
  width_ = 64 * context.integer("depth");
  // Picked by its share of the way, so that another grid keeps it.
  row_ =
      std::clamp<std::int64_t>(static_cast<std::int64_t>(context.number("token-row") * static_cast<double>(grid.rows)), 0, grid.rows - 1);
  column_ = std::clamp<std::int64_t>(static_cast<std::int64_t>(context.number("token-column") * static_cast<double>(grid.columns)), 0,
                                     grid.columns - 1);
  similarity_ = similarityTo(grid_.kind, row_, column_);
  if (training_.empty()) {
    shapeworld::Options options;
    options.split = shapeworld::Split::demo, options.profile = shapeworld::Profile::scene;
    training_ = shapeworld::render(shapeworld::makeScene(3, options), trainingSide, options).rgb;
  }
  return {};
}

// Along each axis on its own: the product of two codes is a sum over axes.
std::vector<float> Positions::similarityTo(PositionKind kind, std::int64_t row, std::int64_t column) const {
  const PositionGrid grid = gridOf(kind);
  std::vector<float> result(static_cast<std::size_t>(grid.rows * grid.columns), 0.0f);
  if (kind == PositionKind::none) return result;
  const auto norm = static_cast<double>(width_) / 2;
  const auto product = [&](std::array<double, 2> a, std::array<double, 2> b) {
    const auto p = positionCode(kind, a, width_), q = positionCode(kind, b, width_);
    double sum = 0;
    for (std::size_t i = 0; i < p.size(); ++i) sum += p[i] * q[i];
    return sum / norm;
  };
  const auto own = grid.placeOf(static_cast<double>(row), static_cast<double>(column));
  if (kind == PositionKind::raster) {
    // One product per distance between two numbers.
    std::vector<double> at(static_cast<std::size_t>(grid.rows * grid.columns), 2.0);
    for (std::int64_t n = 0; n < grid.rows * grid.columns; ++n) {
      const auto apart = static_cast<std::size_t>(std::abs(n - static_cast<std::int64_t>(own[1])));
      if (at[apart] > 1.5) {
        double sum = 0;
        for (std::int64_t i = 0; i < width_ / 2; ++i)
          sum += std::cos(static_cast<double>(apart) * std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(width_ / 2)));
        at[apart] = sum / norm;
      }
      result[static_cast<std::size_t>(n)] = static_cast<float>(at[apart]);
    }
    return result;
  }
  std::vector<double> byColumn, byRow;
  for (std::int64_t c = 0; c < grid.columns; ++c) byColumn.push_back(product(own, {own[0], grid.placeOf(0, static_cast<double>(c))[1]}));
  for (std::int64_t r = 0; r < grid.rows; ++r) byRow.push_back(product(own, {grid.placeOf(static_cast<double>(r), 0)[0], own[1]}));
  for (std::int64_t r = 0; r < grid.rows; ++r) {
    for (std::int64_t c = 0; c < grid.columns; ++c) {
      // Each holds the other axis in full, that is 1/2 + 1/2.
      result[static_cast<std::size_t>(r * grid.columns + c)] =
          static_cast<float>(byColumn[static_cast<std::size_t>(c)] + byRow[static_cast<std::size_t>(r)] - 1);
    }
  }
  return result;
}

Panel Positions::similarityPanel() const {
  Panel panel;
  panel.id = "similarity";
  panel.title = trf("Which tokens look near? {}", nameOf(grid_.kind));
  panel.note = trf("{} × {} tokens", grid_.columns, grid_.rows);
  panel.equalAspect = true;
  panel.x.label = tr("token column"), panel.y.label = tr("token row");
  panel.y.reversed = true;
  if (grid_.kind == PositionKind::none) {
    panel.message = tr("Without positions every token looks alike: the block cannot tell a picture from its shuffled patches");
    return panel;
  }
  auto heat = std::make_shared<HeatMapMark>("code-product");
  heat->value = Tensor::from(Shape{grid_.rows, grid_.columns}, similarity_);
  heat->x = {-0.5, static_cast<double>(grid_.columns) - 0.5}, heat->y = {-0.5, static_cast<double>(grid_.rows) - 0.5};
  double least = 1;
  for (const float v : similarity_) least = std::min(least, static_cast<double>(v));
  heat->range = {std::min(std::floor(10 * least) / 10, 0.9), 1};
  heat->quantity = tr("cosine of the codes");
  panel.colorBar = ColorBar{ColorMap::viridis, heat->range, false, tr("cosine of the codes")};
  panel.marks.push_back(std::move(heat));
  auto picked = std::make_shared<PointsMark>("picked");
  picked->xy = Tensor::from(Shape{1, 2}, {static_cast<float>(column_), static_cast<float>(row_)});
  picked->shape = PointShape::ring;
  picked->radius = 3.5f;
  picked->paint = Paint::of(Role::falsePositive);
  picked->name = tr("picked token");
  panel.marks.push_back(std::move(picked));
  panel.handles.push_back({"token", static_cast<double>(column_), static_cast<double>(row_), Handle::Kind::point, tr("Picked token")});
  return panel;
}

// Along the picked token's row, for all numberings.
Panel Positions::reachPanel() const {
  Panel panel;
  panel.id = "reach";
  panel.title = tr("Row numbers forget who stands above");
  panel.x.label = tr("distance in tokens");
  panel.y.label = tr("cosine of the codes");
  const auto curve = [&](PositionKind kind, bool down, Paint paint, const std::string& name, bool dashed) {
    const auto all = similarityTo(kind, row_, column_);
    std::vector<double> x, y;
    const std::int64_t reach = 24;
    for (std::int64_t d = -reach; d <= reach; ++d) {
      const std::int64_t r = row_ + (down ? d : 0), c = column_ + (down ? 0 : d);
      if (r < 0 || c < 0 || r >= grid_.rows || c >= grid_.columns) continue;
      x.push_back(static_cast<double>(d)), y.push_back(static_cast<double>(all[static_cast<std::size_t>(r * grid_.columns + c)]));
    }
    auto mark = curveOf(fmt::format("{}-{}",
                                    kind == PositionKind::raster ? "raster"
                                    : kind == PositionKind::crop ? "crop"
                                                                 : "rescale",
                                    down ? "column" : "row"),
                        x, y, paint, name);
    if (dashed) mark->dash = {4, 2};
    mark->directLabel = false;
    panel.marks.push_back(std::move(mark));
  };
  curve(PositionKind::crop, false, Paint::series(4), tr("2-D, along the row"), false);
  curve(PositionKind::crop, true, Paint::series(4), tr("2-D, along the column"), true);
  curve(PositionKind::raster, false, Paint::series(5), tr("1-D raster, along the row"), false);
  curve(PositionKind::raster, true, Paint::series(5), tr("1-D raster, along the column"), true);
  return panel;
}

Panel Positions::codePanel() const {
  Panel panel;
  panel.id = "code";
  panel.title = tr("The codes of one row of tokens");
  panel.x.label = tr("dimension");
  panel.y.label = tr("token column");
  panel.y.reversed = true;
  std::vector<float> values;
  for (std::int64_t c = 0; c < grid_.columns; ++c) {
    const auto code = positionCode(grid_.kind, grid_.placeOf(static_cast<double>(row_), static_cast<double>(c)), width_);
    for (const double v : code) values.push_back(static_cast<float>(v));
  }
  auto heat = std::make_shared<HeatMapMark>("codes");
  heat->value = Tensor::from(Shape{grid_.columns, width_}, values);
  heat->x = {-0.5, static_cast<double>(width_) - 0.5}, heat->y = {-0.5, static_cast<double>(grid_.columns) - 0.5};
  heat->map = ColorMap::diverging;
  heat->range = {-1, 1};
  heat->quantity = tr("code");
  panel.colorBar = ColorBar{ColorMap::diverging, heat->range, false, tr("code")};
  panel.marks.push_back(std::move(heat));
  return panel;
}

// A picture of the trained grid, each token of the new grid shown as the trained token whose code it has.
Panel Positions::placesPanel() const {
  const std::int64_t cell = std::max<std::int64_t>(1, mostShownSide / std::max(grid_.columns, grid_.rows));
  const auto columns = static_cast<int>(grid_.columns * cell), rows = static_cast<int>(grid_.rows * cell);
  const double gap = 0.06 * std::max(columns, rows);
  const bool stacked = columns > rows;
  const double stepX = stacked ? 0 : columns + gap, stepY = stacked ? rows + 2.2 * gap : 0;
  Panel panel = picturePanel("places", columns + 2 * stepX, rows + 2 * stepY, 1.4 * gap, 0.3 * gap, 0.3 * gap);
  panel.title = tr("Which trained place does each token claim?");
  panel.note = trf("trained on {} × {}, now {} × {}", grid_.trained, grid_.trained, grid_.columns, grid_.rows);
  auto words = std::make_shared<TextMark>("names");
  int i = 0;
  for (const PositionKind kind : {PositionKind::raster, PositionKind::crop, PositionKind::rescale}) {
    const PositionGrid grid = gridOf(kind);
    std::vector<std::uint8_t> rgba;
    rgba.reserve(static_cast<std::size_t>(columns) * static_cast<std::size_t>(rows) * 4);
    for (int y = 0; y < rows; ++y) {
      for (int x = 0; x < columns; ++x) {
        const auto from = grid.trainedToken(y / cell, x / cell);
        if (from[0] < 0) {
          rgba.insert(rgba.end(), {128, 128, 128, 70});
          continue;
        }
        // The pixel inside the trained token.
        const auto pixel = [&](std::int64_t token, std::int64_t inside) {
          return (token * cell + inside) * trainingSide / (grid_.trained * cell);
        };
        const auto at = static_cast<std::size_t>((pixel(from[0], y % cell) * trainingSide + pixel(from[1], x % cell)) * 3);
        rgba.insert(rgba.end(), {training_[at], training_[at + 1], training_[at + 2], 255});
      }
    }
    const char* ids[] = {"raster", "crop", "rescale"};
    panel.marks.push_back(pictureMark(ids[i], Tensor::from(Shape{rows, columns, 4}, rgba), i * stepX, i * stepY, columns, rows));
    const bool own = kind == grid_.kind;
    words->words.push_back({i * stepX, i * stepY - 0.25 * gap, nameOf(kind), Paint::of(own ? Role::accent : Role::muted), HAlign::left,
                            VAlign::baseline, 8, own ? Weight::semibold : Weight::regular});
    ++i;
  }
  panel.marks.push_back(std::move(words));
  return panel;
}

Panel Positions::overview() const { return similarityPanel(); }

Figure Positions::detail() const {
  Figure figure;
  place(figure, similarityPanel(), 0, 0);
  place(figure, placesPanel(), 0, 1);
  place(figure, reachPanel(), 1, 0);
  place(figure, codePanel(), 1, 1);
  figure.rowWeights = {1.25f, 1};
  return figure;
}

void Positions::addMetrics(std::vector<Metric>& metrics) const {
  // Over a lattice of tokens: how far <code(p), code(q)> of equal p - q lie apart, and how far a code's length is from sqrt(width / 2).
  double apart = 0, length = 0;
  const auto codeAt = [&](std::int64_t r, std::int64_t c) {
    return positionCode(grid_.kind, grid_.placeOf(static_cast<double>(r), static_cast<double>(c)), width_);
  };
  const auto product = [](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
  };
  const double half = static_cast<double>(width_) / 2;
  const std::int64_t rows = std::min<std::int64_t>(grid_.rows - 1, 5), columns = std::min<std::int64_t>(grid_.columns - 1, 7);
  const double first = product(codeAt(0, 0), codeAt(rows / 2, columns / 2));
  for (std::int64_t r = 0; r <= rows - rows / 2; ++r) {
    for (std::int64_t c = 0; c <= columns - columns / 2; ++c) {
      apart = std::max(apart, std::abs(product(codeAt(r, c), codeAt(r + rows / 2, c + columns / 2)) - first) / half);
      length = std::max(length, std::abs(product(codeAt(r, c), codeAt(r, c)) / half - 1));
    }
  }
  std::int64_t right = 0;
  for (std::int64_t r = 0; r < grid_.rows; ++r) {
    for (std::int64_t c = 0; c < grid_.columns; ++c) {
      const auto from = grid_.trainedToken(r, c);
      // The same share of the way along both sides, to half a trained token.
      if (from[0] < 0) continue;
      const auto share = [&](std::int64_t token, std::int64_t side, std::int64_t there) {
        const double scale = static_cast<double>(grid_.trained);
        return std::abs((static_cast<double>(token) + 0.5) / static_cast<double>(side) * scale - 0.5 - static_cast<double>(there)) <=
               0.5 + 1e-9;
      };
      right += share(r, grid_.rows, from[0]) && share(c, grid_.columns, from[1]) ? 1 : 0;
    }
  }
  metrics.push_back({"positions.depends-on-place", apart, ""});
  metrics.push_back({"positions.length-error", length, ""});
  metrics.push_back({"positions.tokens", static_cast<double>(grid_.rows * grid_.columns), ""});
  metrics.push_back(
      {"positions.where-training-had-them", static_cast<double>(right) / static_cast<double>(grid_.rows * grid_.columns), ""});
}

Changes Positions::pointer(const PointerEvent& event, const Values&) const {
  if (event.panel != "similarity" || event.kind == PointerEvent::Kind::release) return {};
  const auto share = [](double at, std::int64_t side) { return std::clamp((std::round(at) + 0.5) / static_cast<double>(side), 0.0, 1.0); };
  return {{"token-row", share(event.y, grid_.rows)}, {"token-column", share(event.x, grid_.columns)}};
}

}  // namespace orrery::generative::sd3
