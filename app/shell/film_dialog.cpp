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
#include <QPushButton>
#include <QSpinBox>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "app/inspector/small_widgets.h"
#include "app/inspector/theme.h"
#include "app/shell/film_track.h"
#include "app/shell/stage_pane.h"
#include "app/viewport/viewport.h"
#include "core/base/text.h"

namespace orrery::app {

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
  column->addLayout(form);
  column->addWidget(groupHeading(tr("Moving parameters"), this));
  tracksColumn_ = new QVBoxLayout;
  tracksColumn_->setSpacing(6);
  column->addLayout(tracksColumn_);
  another_ = new QPushButton(this);
  another_->setObjectName("anotherTrack");
  another_->setAutoDefault(false);  // Return exports, wherever the focus is
  column->addWidget(another_, 0, Qt::AlignLeft);
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
  cancel->setAutoDefault(false);
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
  inTime_ = inTime;
  still_->setVisible(inTime);
  // Without a timeline something else has to move.
  if (!inTime) addTrack();

  connect(another_, &QPushButton::clicked, this, [this] { addTrack(); });
  connect(format_, &QComboBox::currentIndexChanged, this, &FilmDialog::update);
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

// The first number of those that the inspector shows and that do not move yet; without one, the first parameter.
FilmTrack& FilmDialog::addTrack() {
  const auto& parameters = pane_.session().lab().parameters;
  const Values values = pane_.session().values();
  const auto next = std::find_if(parameters.begin(), parameters.end(), [&](const Parameter& one) {
    const bool moves = std::any_of(tracks_.begin(), tracks_.end(), [&](const FilmTrack* track) { return track->parameter().toStdString() == one.id; });
    const bool visible = !one.visible || one.visible(values);
    return !moves && visible && (std::holds_alternative<Real>(one.domain) || std::holds_alternative<LogReal>(one.domain) || std::holds_alternative<Integer>(one.domain));
  });
  auto* track = new FilmTrack(pane_, next == parameters.end() ? QString() : QString::fromStdString(next->id), this);
  tracks_ << track;
  tracksColumn_->addWidget(track);
  connect(track, &FilmTrack::changed, this, &FilmDialog::update);
  connect(track, &FilmTrack::removeRequested, this, [this, track] {
    tracks_.removeOne(track);
    track->hide();
    track->deleteLater();
    update();
  });
  update();
  return *track;
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
  for (const FilmTrack* track : tracks_) {
    auto animation = track->animation();
    if (!animation) return animation.error();
    for (const auto& earlier : plan.animations) {
      if (earlier.parameter == animation->parameter) {
        const auto& label = pane_.session().lab().find(animation->parameter)->label;
        return makeError(ErrorCode::usage, trf("{} moves twice: remove one of the two", shown(label).toStdString()));
      }
    }
    about["film"]["animate"].push_back(exporting::toText(*animation));
    plan.animations.push_back(*std::move(animation));
  }
  if (plan.animations.empty() && !inTime_) return makeError(ErrorCode::usage, orrery::tr("nothing moves: this lab does not run in time, so let a parameter move"));
  if (const auto picture = pane_.session().picture(); picture && still_->isChecked() && !plan.animations.empty()) {
    plan.frame = picture->frame;
    about["film"]["frame"] = picture->frame;
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
  still_->setEnabled(!tracks_.isEmpty());
  another_->setText(tracks_.isEmpty() ? tr("Let a parameter move") : tr("Another parameter"));
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
