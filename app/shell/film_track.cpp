#include "app/shell/film_track.h"

#include <QComboBox>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QToolButton>
#include <QVBoxLayout>
#include <cmath>
#include <nlohmann/json.hpp>

#include "app/inspector/small_widgets.h"
#include "app/shell/stage_pane.h"
#include "core/base/text.h"

namespace orrery::app {

namespace {

// Files and texts stay what they are.
bool moves(const Domain& domain) { return !std::holds_alternative<FileWell>(domain) && !std::holds_alternative<Text>(domain); }

QStringList entriesOf(const QString& text) {
  QStringList entries;
  for (const QString& entry : text.split(',', Qt::SkipEmptyParts)) entries << entry.trimmed();
  return entries;
}

// "64@30%": 30; without a mark where it stands among evenly spread ones.
double shareOf(const QStringList& entries, qsizetype i) {
  const QString& entry = entries[i];
  if (const auto mark = entry.lastIndexOf('@'); mark >= 0 && entry.endsWith('%')) return entry.mid(mark + 1).chopped(1).toDouble();
  return entries.size() < 2 ? 0 : 100.0 * double(i) / double(entries.size() - 1);
}

}  // namespace

FilmTrack::FilmTrack(StagePane& pane, const QString& parameter, QWidget* parent) : QWidget(parent), pane_(pane) {
  setObjectName("filmTrack");
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 4);
  column->setSpacing(4);
  auto *top = new QHBoxLayout, *bottom = new QHBoxLayout;
  column->addLayout(top);
  column->addLayout(bottom);
  const auto named = [](auto* widget, const QString& name) {
    widget->setAccessibleName(name);
    widget->setToolTip(name);
    return widget;
  };
  parameter_ = named(new QuietComboBox(this), tr("Moving parameter"));
  for (const Parameter& one : pane_.session().lab().parameters)
    if (moves(one.domain)) parameter_->addItem(shown(one.label), QString::fromStdString(one.id));
  pace_ = named(new QuietComboBox(this), tr("Pace"));
  pace_->addItem(tr("As the slider"), QString());
  pace_->addItem(tr("Linear"), "linear");
  pace_->addItem(tr("Eased at both ends"), "ease");
  pace_->addItem(tr("Equal factors"), "log");
  remove_ = named(new QToolButton(this), tr("Remove"));
  remove_->setText(QStringLiteral("\u00d7"));
  top->addWidget(parameter_, 1);
  top->addWidget(pace_);
  top->addWidget(remove_);
  values_ = new QLineEdit(this);
  values_->setObjectName("values");
  values_->setAccessibleName(tr("Values"));
  values_->setToolTip(tr("Values in turn, separated by commas; a value may say when: 64@30%"));
  key_ = new QToolButton(this);
  key_->setObjectName("key");
  key_->setText(QStringLiteral("\u25c6 ") + tr("Key frame"));
  key_->setAccessibleName(tr("Key frame"));
  key_->setToolTip(tr("The value the window shows now, at its play head: move both while this dialog is open, and set the next"));
  bottom->addWidget(values_, 1);
  bottom->addWidget(key_);

  if (!parameter.isEmpty()) setParameter(parameter);
  propose();
  connect(parameter_, &QComboBox::currentIndexChanged, this, [this] {
    propose();
    emit changed();
  });
  connect(pace_, &QComboBox::currentIndexChanged, this, &FilmTrack::changed);
  connect(values_, &QLineEdit::textEdited, this, [this] { proposed_ = false; });
  connect(values_, &QLineEdit::textChanged, this, &FilmTrack::changed);
  connect(key_, &QToolButton::clicked, this, &FilmTrack::setKey);
  connect(remove_, &QToolButton::clicked, this, &FilmTrack::removeRequested);
}

QString FilmTrack::parameter() const { return parameter_->currentData().toString(); }

void FilmTrack::setParameter(const QString& id) { parameter_->setCurrentIndex(std::max(0, parameter_->findData(id))); }

// From where it is to the end of its range; of a choice, all the others in turn; a switch turns.
void FilmTrack::propose() {
  proposed_ = true;
  const Parameter* one = pane_.session().lab().find(parameter().toStdString());
  if (!one) return;
  const auto json = toJson(one->domain);
  QStringList values{QString::fromStdString(toText(pane_.session().value(one->id)))};
  const bool choice = std::holds_alternative<Choice>(one->domain), turns = std::holds_alternative<Switch>(one->domain);
  if (json.contains("high")) values << QString::fromStdString(json["high"].dump());
  if (choice)
    for (const auto& option : std::get<Choice>(one->domain).options)
      if (QString::fromStdString(option.id) != values.front()) values << QString::fromStdString(option.id);
  if (turns) values << QString::fromStdString(toText(Value(values.front() != QString::fromStdString(toText(Value(true))))));
  values_->setText(values.join(", "));
  values_->setCursorPosition(0);
  pace_->setEnabled(!choice && !turns);
}

void FilmTrack::setKey() {
  const auto picture = pane_.session().picture();
  const QString value = QString::fromStdString(toText(pane_.session().value(parameter().toStdString())));
  QStringList entries = proposed_ ? QStringList() : entriesOf(values_->text());
  if (!picture || picture->frames < 2) {
    entries << value;
  } else {
    const double now = std::round(1000.0 * double(picture->frame) / double(picture->frames - 1)) / 10;
    QStringList keyed;
    bool set = false;
    const auto put = [&] {
      if (!set) keyed << value + "@" + QString::number(now) + "%";
      set = true;
    };
    for (qsizetype i = 0; i < entries.size(); ++i) {
      const double share = shareOf(entries, i);
      if (share >= now) put();
      if (std::abs(share - now) < 0.05) continue;  // this one is replaced
      keyed << entries[i].section('@', 0, 0) + "@" + QString::number(std::round(10 * share) / 10) + "%";
    }
    put();
    entries = keyed;
  }
  proposed_ = false;
  values_->setText(entries.join(", "));
}

Expected<exporting::Animation> FilmTrack::animation() const {
  const QStringList entries = entriesOf(values_->text());
  const auto named = [&] { return shown(pane_.session().lab().find(parameter().toStdString())->label).toStdString(); };
  if (entries.size() < 2)
    return makeError(ErrorCode::usage, trf("{}: one value does not move; set another key frame, or write two values with a comma between", named()));
  QString text = parameter() + "=" + entries.join(':');
  if (pace_->isEnabled() && !pace_->currentData().toString().isEmpty()) text += ":" + pace_->currentData().toString();
  return exporting::readAnimation(pane_.session().lab(), text.toStdString());
}

}  // namespace orrery::app
