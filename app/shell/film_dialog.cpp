#include "app/shell/film_dialog.h"

#include <QCheckBox>
#include <QComboBox>
#include <QDir>
#include <QDoubleSpinBox>
#include <QFileDialog>
#include <QFileInfo>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSpinBox>
#include <QVBoxLayout>
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
// Files and texts stay what they are.
bool moves(const Domain& domain) { return !std::holds_alternative<FileWell>(domain) && !std::holds_alternative<Text>(domain); }
}  // namespace

FilmDialog::FilmDialog(StagePane& pane, Settings& settings, QWidget* parent) : QDialog(parent), pane_(pane), settings_(settings) {
  setObjectName("filmDialog");
  setWindowTitle(tr("Export film"));
  setAttribute(Qt::WA_DeleteOnClose);
  build();
  update();
}

void FilmDialog::build() {
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(18, 18, 18, 18);
  column->setSpacing(10);
  auto* form = new QFormLayout;
  form->setHorizontalSpacing(14);
  form->setVerticalSpacing(8);
  form->setLabelAlignment(Qt::AlignLeft | Qt::AlignVCenter);
  const auto add = [&](const QString& label, auto* widget) {
    widget->setAccessibleName(label);
    widget->setMinimumWidth(240);
    form->addRow(label, widget);
    return widget;
  };
  format_ = add(tr("Format"), new QComboBox(this));
  format_->addItem(tr("MP4: H.264, plays everywhere"), "mp4");
  format_->addItem(tr("WebM: VP9, for the web"), "webm");
  format_->addItem(tr("GIF: 256 colours, large files"), "gif");
  const auto whole = [&](const QString& label, int low, int high, const QString& unit) {
    auto* box = add(label, new QSpinBox(this));
    box->setRange(low, high);
    box->setSuffix(unit);
    return box;
  };
  width_ = whole(tr("Width"), exporting::smallestFilmSide, exporting::largestFilmSide, " px");
  height_ = whole(tr("Height"), exporting::smallestFilmSide, exporting::largestFilmSide, " px");
  rate_ = whole(tr("Frames per second"), int(exporting::slowestFilm), int(exporting::fastestFilm), {});
  seconds_ = add(tr("Length"), new QDoubleSpinBox(this));
  seconds_->setRange(0.1, 3600);
  seconds_->setDecimals(2);
  seconds_->setSuffix(" s");
  theme_ = add(tr("Theme"), new QComboBox(this));
  theme_->addItem(tr("Light"), "light");
  theme_->addItem(tr("Dark"), "dark");
  parameter_ = add(tr("Moving parameter"), new QComboBox(this));
  parameter_->addItem(tr("None: the timeline plays"), QString());
  for (const Parameter& parameter : pane_.session().lab().parameters)
    if (moves(parameter.domain)) parameter_->addItem(shown(parameter.label), QString::fromStdString(parameter.id));
  from_ = add(tr("From"), new QLineEdit(this));
  to_ = add(tr("To"), new QLineEdit(this));
  to_->setToolTip(tr("One value, or several in turn, separated by commas; a value may say when: 64@30%"));
  pace_ = add(tr("Pace"), new QComboBox(this));
  pace_->addItem(tr("As the slider"), QString());
  pace_->addItem(tr("Linear"), "linear");
  pace_->addItem(tr("Eased at both ends"), "ease");
  pace_->addItem(tr("Equal factors"), "log");
  column->addLayout(form);
  still_ = new QCheckBox(tr("The timeline stays where it is now"), this);
  still_->setAccessibleName(tr("The timeline stays where it is now"));
  column->addWidget(still_);
  note_ = new QLabel(this);
  note_->setObjectName("muted");
  note_->setFont(smallFont());
  note_->setWordWrap(true);
  note_->setMinimumHeight(32);
  column->addWidget(note_);
  auto* buttons = new QHBoxLayout;
  auto* cancel = new QPushButton(tr("Cancel"), this);
  cancel->setAccessibleName(tr("Cancel"));
  export_ = new QPushButton(tr("Export…"), this);
  export_->setAccessibleName(tr("Export…"));
  export_->setProperty("primary", true);
  export_->setDefault(true);
  buttons->addWidget(cancel);
  buttons->addWidget(export_, 1);
  column->addLayout(buttons);

  const auto select = [](QComboBox* box, const QVariant& value) { box->setCurrentIndex(std::max(0, box->findData(value))); };
  select(format_, settings_.value("film/format", "mp4"));
  select(theme_, settings_.value("film/theme", "light"));
  width_->setValue(settings_.value("film/width", 1280).toInt());
  height_->setValue(settings_.value("film/height", 720).toInt());
  rate_->setValue(settings_.value("film/rate", 30).toInt());
  const auto picture = pane_.session().picture();
  const bool inTime = picture && picture->frames > 1;
  seconds_->setValue(inTime ? double(picture->frames) / (picture->framesPerSecond * pane_.session().speed()) : exporting::defaultSeconds);
  // Without a timeline something else has to move.
  if (!inTime && parameter_->count() > 1) {
    parameter_->removeItem(0);
    parameter_->setCurrentIndex(0);
  }
  still_->setVisible(inTime);

  const auto proposeEnds = [this] {
    const Parameter* parameter = pane_.session().lab().find(parameter_->currentData().toString().toStdString());
    if (!parameter) return;
    const auto json = toJson(parameter->domain);
    from_->setText(QString::fromStdString(toText(pane_.session().value(parameter->id))));
    if (json.contains("high")) to_->setText(QString::fromStdString(json["high"].dump()));
    // Of a choice, all the others in turn; a switch turns.
    QStringList others;
    if (const auto* choice = std::get_if<Choice>(&parameter->domain))
      for (const auto& option : choice->options)
        if (QString::fromStdString(option.id) != from_->text()) others << QString::fromStdString(option.id);
    if (std::holds_alternative<Switch>(parameter->domain)) others << QString::fromStdString(toText(Value(from_->text() != QString::fromStdString(toText(Value(true))))));
    if (!others.isEmpty()) to_->setText(others.join(", "));
    pace_->setEnabled(others.isEmpty());
  };
  proposeEnds();
  connect(parameter_, &QComboBox::currentIndexChanged, this, proposeEnds);
  for (QComboBox* box : {format_, parameter_, pace_}) connect(box, &QComboBox::currentIndexChanged, this, &FilmDialog::update);
  for (QLineEdit* line : {from_, to_}) connect(line, &QLineEdit::textChanged, this, &FilmDialog::update);
  for (QSpinBox* box : {width_, height_, rate_}) connect(box, &QSpinBox::valueChanged, this, &FilmDialog::update);
  connect(seconds_, &QDoubleSpinBox::valueChanged, this, &FilmDialog::update);
  connect(cancel, &QPushButton::clicked, this, &QDialog::reject);
  connect(export_, &QPushButton::clicked, this, [this] {
    const QString folder = settings_.value("film/folder", QDir::homePath()).toString();
    const QString name = QString::fromStdString(pane_.session().lab().id).section('/', -1) + "." + format();
    const QString path = QFileDialog::getSaveFileName(this, tr("Export film"), folder + "/" + name, format().toUpper() + " (*." + format() + ")");
    if (!path.isEmpty()) exportTo(path);
  });
}

QString FilmDialog::format() const { return format_->currentData().toString(); }

Expected<exporting::FilmPlan> FilmDialog::plan() const {
  exporting::FilmPlan plan;
  plan.size = {float(width_->value()), float(height_->value())};
  plan.framesPerSecond = rate_->value();
  plan.seconds = seconds_->value();
  const ThemeKind theme = theme_->currentData() == "dark" ? ThemeKind::dark : ThemeKind::light;
  plan.layout = pane_.viewport().exportOptions(theme);
  plan.layout.theme = theme;
  plan.layout.interactive = false;
  nlohmann::json about{{"figure", {{"size", std::to_string(width_->value()) + "x" + std::to_string(height_->value())}, {"theme", theme_->currentData().toString().toStdString()}}},
                       {"film", {{"fps", std::to_string(rate_->value())}, {"seconds", QString::number(seconds_->value()).toStdString()}}}};
  const QString id = parameter_->currentData().toString();
  if (!id.isEmpty()) {
    QString text = id + "=" + from_->text().trimmed();
    for (const QString& value : to_->text().split(',')) text += ":" + value.trimmed();
    if (pace_->isEnabled() && !pace_->currentData().toString().isEmpty()) text += ":" + pace_->currentData().toString();
    auto animation = exporting::readAnimation(pane_.session().lab(), text.toStdString());
    if (!animation) return animation.error();
    about["film"]["animate"] = {exporting::toText(*animation)};
    plan.animations.push_back(*std::move(animation));
    if (const auto picture = pane_.session().picture(); picture && still_->isChecked()) {
      plan.frame = picture->frame;
      about["film"]["frame"] = picture->frame;
    }
  }
  plan.recipeExtra = about.dump();
  exporting::FilmOptions options;
  options.width = width_->value();
  options.height = height_->value();
  options.framesPerSecond = plan.framesPerSecond;
  if (auto good = exporting::FilmWriter::check("film." + format().toStdString(), options); !good) return good.error();
  return plan;
}

void FilmDialog::update() {
  const bool moves = !parameter_->currentData().toString().isEmpty();
  for (QWidget* widget : std::initializer_list<QWidget*>{from_, to_, pace_, still_}) widget->setEnabled(moves);
  const auto wanted = plan();
  export_->setEnabled(bool(wanted));
  const auto frames = std::max(1L, std::lround(seconds_->value() * rate_->value()));
  note_->setText(wanted ? tr("%1 frames. The film carries its recipe: dropped on Orrery it restores this scene.").arg(frames) : QString::fromStdString(wanted.error().message));
}

void FilmDialog::exportTo(const QString& chosen) {
  auto wantedPlan = plan();
  if (!wantedPlan) return update();
  QString path = chosen;
  if (QFileInfo(path).suffix().compare(format(), Qt::CaseInsensitive) != 0) path += "." + format();
  settings_.set("film/folder", QFileInfo(path).absolutePath());
  settings_.set("film/format", format());
  settings_.set("film/theme", theme_->currentData());
  settings_.set("film/width", width_->value());
  settings_.set("film/height", height_->value());
  settings_.set("film/rate", rate_->value());
  emit wanted(*wantedPlan, path);
  accept();
}

}  // namespace orrery::app
