#include "app/shell/start_page.h"

#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QPainterPath>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>
#include <utility>

#include "app/inspector/icons.h"
#include "app/inspector/small_widgets.h"
#include "app/inspector/theme.h"
#include "app/shell/thumbnails.h"
#include "core/session/lab.h"

namespace orrery::app {

namespace {
constexpr int gap = 16, cardTextHeight = 62, leastCardWidth = 250, mostCardWidth = 360, headingHeight = 28;
}

QString liveLab() {
  const QString wanted = "generative/sde-vs-ode";
  if (findRegistered<LabEntry>(wanted.toStdString())) return wanted;
  const auto labs = registered<LabEntry>();
  return labs.empty() ? QString() : QString::fromStdString(labs.front().id);
}

QString wingTitle(const QString& wing) {
  if (wing == "attention") return QObject::tr("Attention");
  if (wing == "generative") return QObject::tr("Generative");
  if (wing == "vision") return QObject::tr("Vision");
  if (wing == "language") return QObject::tr("Language");
  if (wing == "training") return QObject::tr("Training");
  if (wing == "data") return QObject::tr("Data");
  return wing;
}

QStringList wings() {
  QStringList order{"attention", "generative", "vision", "language", "training", "data"};
  QStringList present;
  for (const LabEntry& lab : registered<LabEntry>()) {
    const QString wing = QString::fromStdString(lab.wing());
    if (!present.contains(wing)) present.append(wing);
  }
  for (const QString& wing : present)
    if (!order.contains(wing)) order.append(wing);
  order.removeIf([&](const QString& wing) { return !present.contains(wing); });
  return order;
}

LabCard::LabCard(const QString& lab, const QString& title, const QString& summary, QWidget* parent)
    : QAbstractButton(parent), lab_(lab), title_(title), summary_(summary) {
  setObjectName("card-" + lab);
  setAccessibleName(title);
  setAccessibleDescription(summary);
  setToolTip(summary);
  setCursor(Qt::PointingHandCursor);
  setAttribute(Qt::WA_Hover);
  setFocusPolicy(Qt::StrongFocus);
}

void LabCard::setPicture(const QImage& picture) {
  picture_ = picture;
  update();
}

void LabCard::paintEvent(QPaintEvent*) {
  const Tokens& t = tokens();
  QPainter painter(this);
  painter.setRenderHints(QPainter::Antialiasing | QPainter::SmoothPixmapTransform);
  const QRectF frame = QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5);
  const bool lit = underMouse() || hasFocus();
  QPainterPath outline;
  outline.addRoundedRect(frame, 6, 6);
  painter.fillPath(outline, t.panel);
  const QRectF top(0, 0, width(), height() - cardTextHeight);
  painter.save();
  painter.setClipPath(outline);
  painter.fillRect(top, t.canvas);
  if (!picture_.isNull()) {
    QSizeF size = picture_.deviceIndependentSize();
    size.scale(top.size().width(), top.size().height(), Qt::KeepAspectRatio);
    const QRectF to(QPointF((top.width() - size.width()) / 2, (top.height() - size.height()) / 2), size);
    painter.drawImage(to, picture_);
  } else {
    // Until the first picture: our own sign, quietly.
    app::icon("lab", IconTone::muted).paint(&painter, QRect(int(top.center().x()) - 14, int(top.center().y()) - 14, 28, 28));
  }
  painter.restore();
  painter.setPen(QPen(t.border, 1));
  painter.drawLine(QPointF(1, top.bottom()), QPointF(width() - 1, top.bottom()));
  painter.setPen(QPen(lit ? t.accent : t.border, lit ? 1.5 : 1));
  painter.drawPath(outline);

  QFont bold = controlFont();
  bold.setPointSizeF(13 * 0.75);
  bold.setWeight(QFont::DemiBold);
  painter.setFont(bold);
  painter.setPen(t.text);
  const QRectF words(14, top.bottom() + 10, width() - 28, 20);
  painter.drawText(words, Qt::AlignLeft | Qt::AlignVCenter, QFontMetricsF(bold).elidedText(title_, Qt::ElideRight, words.width()));
  painter.setFont(controlFont());
  painter.setPen(t.muted);
  painter.drawText(words.translated(0, 21), Qt::AlignLeft | Qt::AlignVCenter,
                   QFontMetricsF(controlFont()).elidedText(summary_, Qt::ElideRight, words.width()));
}

int CardGrid::place(int width, bool move) const {
  // No more columns than cards: few cards are larger instead.
  const int across = std::clamp((width + gap) / (leastCardWidth + gap), 1, std::max(1, static_cast<int>(cards_.size())));
  const int cardWidth = std::min(mostCardWidth, (width - gap * (across - 1)) / across);
  const int cardHeight = cardWidth * Thumbnails::height / Thumbnails::width + cardTextHeight;
  int top = 0;
  for (qsizetype first = 0; first < cards_.size(); first += across) {
    const qsizetype last = std::min(first + across, cards_.size());
    const bool headed = std::any_of(cards_.begin() + first, cards_.begin() + last, [](const Cell& cell) { return cell.heading; });
    if (headed) top += headingHeight;
    for (qsizetype i = first; move && i < last; ++i) {
      const int x = static_cast<int>(i - first) * (cardWidth + gap);
      cards_[i].card->setGeometry(x, top, cardWidth, cardHeight);
      if (cards_[i].heading) cards_[i].heading->setGeometry(x, top - headingHeight, cardWidth, headingHeight - 4);
    }
    top += cardHeight + (last < cards_.size() ? gap : 0);
  }
  return top;
}

int CardGrid::heightForWidth(int width) const { return place(width, false); }
void CardGrid::resizeEvent(QResizeEvent*) { place(width(), true); }

StartPage::StartPage(Thumbnails& thumbnails, Settings& settings, QWidget* parent)
    : QWidget(parent), thumbnails_(thumbnails), settings_(settings) {
  setObjectName("startBody");
  setAttribute(Qt::WA_StyledBackground);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  scroll_ = new QScrollArea(this);
  scroll_->setWidgetResizable(true);
  scroll_->setFrameShape(QFrame::NoFrame);
  scroll_->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  scroll_->setAccessibleName(tr("Labs"));
  column->addWidget(scroll_);
  connect(&thumbnails_, &Thumbnails::arrived, this, [this](const QString& lab, const QImage& picture) {
    if (LabCard* card = cards_.value(lab)) card->setPicture(picture);
  });
  reload();
}

QList<LabCard*> StartPage::cards() const { return cards_.values(); }

void StartPage::reload() {
  cards_.clear();
  auto* body = new QWidget;
  auto* column = new QVBoxLayout(body);
  column->setContentsMargins(32, 26, 32, 26);
  column->setSpacing(10);

  auto* head = new QLabel(tr("What happens inside a model, to turn, watch and take away"), body);
  QFont large = titleFont();
  large.setPointSizeF(20 * 0.75);
  head->setFont(large);
  head->setWordWrap(true);
  column->addWidget(head);
  auto* hint = new QWidget(body);
  auto* hintRow = new QHBoxLayout(hint);
  hintRow->setContentsMargins(0, 0, 0, 4);
  hintRow->setSpacing(8);
  auto* picture = new QLabel(hint);
  picture->setPixmap(icon("drop", IconTone::accent).pixmap(16, 16));
  hintRow->addWidget(picture);
  auto* words = new QLabel(tr("Drop a model, image, text or detection file anywhere"), hint);
  words->setObjectName("muted");
  hintRow->addWidget(words);
  auto* open = new QToolButton(hint);
  open->setText(tr("or open one…"));
  open->setAccessibleName(tr("Open a file…"));
  open->setCursor(Qt::PointingHandCursor);
  hintRow->addWidget(open);
  hintRow->addStretch(1);
  connect(open, &QToolButton::clicked, this, &StartPage::openRequested);
  column->addWidget(hint);

  auto* grid = new CardGrid(body);
  for (const QString& wing : wings()) {
    QLabel* heading = groupHeading(wingTitle(wing), grid);
    heading->setAlignment(Qt::AlignLeft | Qt::AlignBottom);
    for (const LabEntry& lab : registered<LabEntry>()) {
      if (QString::fromStdString(lab.wing()) != wing) continue;
      const QString id = QString::fromStdString(lab.id);
      auto* card = new LabCard(id, shown(lab.title), shown(lab.summary), grid);
      card->setPicture(thumbnails_.picture(id));
      connect(card, &QAbstractButton::clicked, this, [this, id] { emit labChosen(id); });
      grid->add(card, std::exchange(heading, nullptr));
      cards_.insert(id, card);
    }
  }
  QSizePolicy policy(QSizePolicy::Preferred, QSizePolicy::Preferred);
  policy.setHeightForWidth(true);
  grid->setSizePolicy(policy);
  column->addWidget(grid);
  fillRecents(column, body);
  column->addStretch(1);
  scroll_->setWidget(body);
}

void StartPage::fillRecents(QVBoxLayout* column, QWidget* body) {
  const QList<Recent> recents = settings_.recents();
  if (recents.isEmpty()) return;
  QLabel* heading = groupHeading(tr("Recent"), body);
  heading->setContentsMargins(0, 16, 0, 0);
  column->addWidget(heading);
  int number = 0;
  for (const Recent& recent : recents) {
    auto* entry = new QToolButton(body);
    entry->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    entry->setIcon(icon(recent.lab.isEmpty() ? "file" : "lab", IconTone::muted));
    entry->setText(recent.title());
    entry->setAccessibleName(recent.title());
    entry->setToolTip(recent.lab.isEmpty() ? recent.path : recent.title());
    entry->setCursor(Qt::PointingHandCursor);
    connect(entry, &QToolButton::clicked, this, [this, recent] {
      if (recent.lab.isEmpty()) emit fileChosen(recent.path);
      else emit labChosen(recent.lab);
    });
    column->addWidget(entry, 0, Qt::AlignLeft);
    if (++number == 6) break;
  }
}

void StartPage::showEvent(QShowEvent*) {
  thumbnails_.setLive(liveLab());
  thumbnails_.setAwake(true);
}
void StartPage::hideEvent(QHideEvent*) {
  thumbnails_.setAwake(false);
  thumbnails_.setLive({});
}

}  // namespace orrery::app
