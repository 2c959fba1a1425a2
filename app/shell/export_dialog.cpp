#include "app/shell/export_dialog.h"

#include <QCheckBox>
#include <QComboBox>
#include <QDoubleSpinBox>
#include <QFileDialog>
#include <QFileInfo>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QSpinBox>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "app/inspector/small_widgets.h"
#include "app/inspector/theme.h"
#include "app/shell/stage_pane.h"
#include "app/viewport/viewport.h"
#include "core/base/text.h"

namespace orrery::app {

namespace {

constexpr double pixelsPerInch = 96, millimetresPerInch = 25.4;

// Sizes journals and slides ask for; height 0 = as tall as the canvas is in proportion. Text is 8 pt at `unit` 1; slides are read from afar.
struct SizePreset {
  const char* id;
  double width, height;                              // mm
  float unit;
};
constexpr SizePreset sizePresets[] = {{"one", 85, 0, 1},       {"one-and-a-half", 120, 0, 1}, {"two", 180, 0, 1},
                                      {"slide", 254, 142.9, 1.7f}, {"square", 120, 120, 1},    {"canvas", 0, 0, 1},
                                      {"custom", 0, 0, 1}};

QString presetTitle(const QString& id) {
  if (id == "one") return ExportDialog::tr("One column, 85 mm");
  if (id == "one-and-a-half") return ExportDialog::tr("One and a half columns, 120 mm");
  if (id == "two") return ExportDialog::tr("Two columns, 180 mm");
  if (id == "slide") return ExportDialog::tr("Slide 16:9");
  if (id == "square") return ExportDialog::tr("Square, 120 mm");
  if (id == "canvas") return ExportDialog::tr("As on the canvas");
  return ExportDialog::tr("Custom");
}

}  // namespace

ExportDialog::ExportDialog(StagePane& pane, Settings& settings, const QString& panel, QWidget* parent)
    : QDialog(parent), pane_(pane), settings_(settings) {
  setObjectName("exportDialog");
  setWindowTitle(tr("Export figure"));
  setAttribute(Qt::WA_DeleteOnClose);
  const QSize canvas = pane_.viewport().size();
  aspect_ = canvas.width() > 0 ? std::clamp(canvas.height() / double(canvas.width()), 0.3, 2.0) : 0.625;
  build(panel);
  previewTimer_.setSingleShot(true);
  previewTimer_.setInterval(60);
  connect(&previewTimer_, &QTimer::timeout, this, &ExportDialog::preview);
  resize(980, 600);
  previewSoon();
}

void ExportDialog::build(const QString& panel) {
  filling_ = true;
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(18, 18, 18, 18);
  row->setSpacing(18);
  auto* left = new QVBoxLayout;
  preview_ = new QLabel(this);
  preview_->setObjectName("preview");
  preview_->setAlignment(Qt::AlignCenter);
  preview_->setMinimumSize(420, 300);
  preview_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Ignored);
  preview_->setAccessibleName(tr("Preview"));
  left->addWidget(preview_, 1);
  notes_ = new QLabel(this);
  notes_->setObjectName("muted");
  notes_->setFont(smallFont());
  notes_->setWordWrap(true);
  notes_->setMinimumHeight(32);
  notes_->setAlignment(Qt::AlignTop | Qt::AlignLeft);
  left->addWidget(notes_);
  row->addLayout(left, 1);

  auto* right = new QVBoxLayout;
  auto* form = new QFormLayout;
  form->setHorizontalSpacing(14);
  form->setVerticalSpacing(8);
  form->setLabelAlignment(Qt::AlignLeft | Qt::AlignVCenter);
  const auto combo = [&](const QString& label) {
    auto* made = new QComboBox(this);
    made->setAccessibleName(label);
    made->setMinimumWidth(220);
    form->addRow(label, made);
    return made;
  };
  format_ = combo(tr("Format"));
  format_->addItem(tr("SVG: drawing, for papers and the web"), "svg");
  format_->addItem(tr("PDF: drawing, for LaTeX"), "pdf");
  format_->addItem(tr("PNG: pixels"), "png");
  size_ = combo(tr("Size"));
  for (const SizePreset& preset : sizePresets) size_->addItem(presetTitle(preset.id), preset.id);
  const auto number = [&](const QString& label) {
    auto* made = new QDoubleSpinBox(this);
    made->setRange(10, 20000);
    made->setDecimals(1);
    made->setAccessibleName(label);
    form->addRow(label, made);
    return made;
  };
  width_ = number(tr("Width"));
  height_ = number(tr("Height"));
  unit_ = combo(tr("Unit"));
  for (const char* unit : {"mm", "in", "px"}) unit_->addItem(unit, unit);
  dpi_ = new QSpinBox(this);
  dpi_->setRange(72, 1200);
  dpi_->setSuffix(" dpi");
  dpi_->setAccessibleName(tr("Resolution"));
  form->addRow(tr("Resolution"), dpi_);
  panel_ = combo(tr("Panels"));
  panel_->addItem(tr("All panels"), QString());
  if (const auto picture = pane_.session().picture())
    for (const Panel& one : picture->figure.panels) panel_->addItem(QString::fromStdString(one.title.empty() ? one.id : one.title), QString::fromStdString(one.id));
  theme_ = combo(tr("Theme"));
  theme_->addItem(tr("Light"), "light");
  theme_->addItem(tr("Dark"), "dark");
  right->addLayout(form);
  right->addSpacing(6);
  const auto check = [&](const QString& label, const QString& help) {
    auto* made = new QCheckBox(label, this);
    made->setAccessibleName(label);
    made->setToolTip(help);
    right->addWidget(made);
    connect(made, &QCheckBox::toggled, this, &ExportDialog::previewSoon);
    return made;
  };
  transparent_ = check(tr("Transparent ground"), tr("Without the white or dark ground"));
  letters_ = check(tr("Panel letters"), tr("a, b, c … in front of the panels' titles"));
  recipe_ = check(tr("Keep the recipe inside"), tr("The file can be dropped on Orrery again to restore this scene. File names are part of it."));
  outlines_ = check(tr("Text as outlines"), tr("Looks the same everywhere, but cannot be searched or edited"));
  right->addStretch(1);
  auto* buttons = new QHBoxLayout;
  auto* cancel = new QPushButton(tr("Cancel"), this);
  cancel->setAccessibleName(tr("Cancel"));
  export_ = new QPushButton(tr("Export…"), this);
  export_->setAccessibleName(tr("Export…"));
  export_->setProperty("primary", true);
  export_->setDefault(true);
  buttons->addWidget(cancel);
  buttons->addWidget(export_, 1);
  right->addLayout(buttons);
  row->addLayout(right);

  const auto select = [](QComboBox* box, const QVariant& value) { box->setCurrentIndex(std::max(0, box->findData(value))); };
  select(format_, settings_.value("export/format", "svg"));
  select(unit_, settings_.value("export/unit", "mm"));
  lastUnit_ = unit_->currentData().toString();
  select(theme_, settings_.value("export/theme", "light"));
  select(panel_, panel);
  dpi_->setValue(settings_.value("export/dpi", 300).toInt());
  transparent_->setChecked(settings_.value("export/transparent", false).toBool());
  letters_->setChecked(settings_.value("export/letters", false).toBool());
  recipe_->setChecked(settings_.value("export/recipe", true).toBool());
  outlines_->setChecked(settings_.value("export/outlines", false).toBool());
  select(size_, settings_.value("export/size", "two"));
  if (size_->currentData() == "custom") select(size_, "two");
  filling_ = false;
  applyPreset(size_->currentIndex());
  updateEnabled();

  connect(size_, &QComboBox::currentIndexChanged, this, &ExportDialog::applyPreset);
  connect(unit_, &QComboBox::currentIndexChanged, this, &ExportDialog::unitChanged);
  for (QDoubleSpinBox* box : {width_, height_}) {
    connect(box, &QDoubleSpinBox::valueChanged, this, [this] {
      if (!filling_) {
        const QSignalBlocker quiet(size_);
        size_->setCurrentIndex(size_->findData("custom"));
      }
      previewSoon();
    });
  }
  connect(format_, &QComboBox::currentIndexChanged, this, &ExportDialog::updateEnabled);
  for (QComboBox* box : {format_, theme_, panel_}) connect(box, &QComboBox::currentIndexChanged, this, &ExportDialog::previewSoon);
  connect(cancel, &QPushButton::clicked, this, &QDialog::reject);
  connect(export_, &QPushButton::clicked, this, [this] {
    const QString folder = settings_.value("export/folder", QDir::homePath()).toString();
    QString name = QString::fromStdString(pane_.session().lab().id).section('/', -1) + "." + format();
    const QString path = QFileDialog::getSaveFileName(this, tr("Export figure"), folder + "/" + name, format().toUpper() + " (*." + format() + ")");
    if (!path.isEmpty()) exportTo(path);
  });
}

QString ExportDialog::format() const { return format_->currentData().toString(); }

double ExportDialog::pixelsPerUnit() const {
  const QString unit = unit_->currentData().toString();
  if (unit == "mm") return pixelsPerInch / millimetresPerInch;
  return unit == "in" ? pixelsPerInch : 1;
}

void ExportDialog::applyPreset(int index) {
  const SizePreset& preset = sizePresets[std::size_t(std::max(0, index))];
  if (QLatin1String(preset.id) == QLatin1String("custom")) return;
  double width = preset.width * pixelsPerInch / millimetresPerInch, height = preset.height * pixelsPerInch / millimetresPerInch;
  if (width == 0) width = std::max(200, pane_.viewport().width());
  if (height == 0) height = width * aspect_;
  filling_ = true;
  width_->setValue(width / pixelsPerUnit());
  height_->setValue(height / pixelsPerUnit());
  filling_ = false;
  previewSoon();
}

void ExportDialog::unitChanged() {
  const auto inPixels = [](const QString& unit) { return unit == "mm" ? pixelsPerInch / millimetresPerInch : unit == "in" ? pixelsPerInch : 1.0; };
  const double factor = inPixels(lastUnit_) / pixelsPerUnit();
  lastUnit_ = unit_->currentData().toString();
  const double width = width_->value() * factor, height = height_->value() * factor;
  filling_ = true;
  for (QDoubleSpinBox* box : {width_, height_}) {
    box->setDecimals(lastUnit_ == "in" ? 2 : lastUnit_ == "mm" ? 1 : 0);
    box->setRange(lastUnit_ == "in" ? 0.5 : 10, 20000);
  }
  width_->setValue(width);
  height_->setValue(height);
  filling_ = false;
}

void ExportDialog::updateEnabled() {
  dpi_->setEnabled(format() == "png");
  outlines_->setEnabled(format() != "png");
}

FigureRequest ExportDialog::request() const {
  FigureRequest request;
  const ThemeKind theme = theme_->currentData() == "dark" ? ThemeKind::dark : ThemeKind::light;
  request.options = pane_.viewport().exportOptions(theme);
  request.options.theme = theme;
  request.options.interactive = false;
  request.options.transparent = transparent_->isChecked();
  request.options.panelLetters = letters_->isChecked();
  request.options.onlyPanel = panel_->currentData().toString().toStdString();
  request.options.unit = sizePresets[std::size_t(std::max(0, size_->currentIndex()))].unit;
  request.size = {float(width_->value() * pixelsPerUnit()), float(height_->value() * pixelsPerUnit())};
  request.pixelsPerLogical = float(dpi_->value() / pixelsPerInch);
  return request;
}

exporting::ExportOptions ExportDialog::options() const {
  exporting::ExportOptions options;
  if (recipe_->isChecked()) options.recipe = pane_.session().toJson().dump();
  options.title = orrery::tr(pane_.session().lab().title);
  options.pixelsPerLogical = request().pixelsPerLogical;
  options.textAsOutlines = outlines_->isChecked();
  return options;
}

void ExportDialog::preview() {
  FigureRequest wanted = request();
  const QSize room = preview_->size() - QSize(24, 24);
  if (room.width() < 40 || room.height() < 40) return;
  const double fit = std::min({room.width() / double(wanted.size.x), room.height() / double(wanted.size.y), 2.0});
  const double ratio = devicePixelRatioF();
  wanted.pixelsPerLogical = float(std::max(fit * ratio, 0.05));
  const int mine = ++drawing_;
  drawFigure(pane_.session(), pane_.renderer(), wanted, this, [this, mine, ratio](const DrawnFigure& drawn) {
    if (mine != drawing_) return;                    // a newer one is on its way
    if (drawn.error) {
      preview_->setText(QString::fromStdString(drawn.error->message));
      return;
    }
    QPixmap pixmap = QPixmap::fromImage(drawn.image);
    pixmap.setDevicePixelRatio(ratio);
    preview_->setPixmap(pixmap);
    QStringList lines;
    if (format() == "png")
      lines << tr("%1 × %2 pixels").arg(std::lround(request().size.x * request().pixelsPerLogical)).arg(std::lround(request().size.y * request().pixelsPerLogical));
    else lines = drawn.notes;
    notes_->setText(lines.join("\n"));
  });
}

void ExportDialog::exportTo(const QString& chosen) {
  QString path = chosen;
  if (QFileInfo(path).suffix().compare(format(), Qt::CaseInsensitive) != 0) path += "." + format();
  settings_.set("export/folder", QFileInfo(path).absolutePath());
  settings_.set("export/format", format());
  settings_.set("export/unit", unit_->currentData());
  settings_.set("export/theme", theme_->currentData());
  settings_.set("export/size", size_->currentData());
  settings_.set("export/dpi", dpi_->value());
  settings_.set("export/transparent", transparent_->isChecked());
  settings_.set("export/letters", letters_->isChecked());
  settings_.set("export/recipe", recipe_->isChecked());
  settings_.set("export/outlines", outlines_->isChecked());
  export_->setEnabled(false);
  writeFigureFile(pane_.session(), pane_.renderer(), request(), options(), path, this, [this](const Expected<exporting::Written>& result) {
    export_->setEnabled(true);
    if (!result) {
      emit failed(result.error());
      notes_->setText(QString::fromStdString(result.error().message));
      return;
    }
    QStringList notes;
    for (const std::string& note : result->notes) notes << QString::fromStdString(note);
    emit written(QString::fromStdString(result->path), notes);
    accept();
  });
}

}  // namespace orrery::app
