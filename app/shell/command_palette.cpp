#include "app/shell/command_palette.h"

#include <QKeyEvent>
#include <QLabel>
#include <QLineEdit>
#include <QListView>
#include <QPainter>
#include <QStandardItemModel>
#include <QStyledItemDelegate>
#include <QVBoxLayout>
#include <algorithm>

#include "app/inspector/icons.h"
#include "app/inspector/theme.h"

namespace orrery::app {

namespace {

enum PaletteRole { detailRole = Qt::UserRole + 1, keysRole, indexRole };
constexpr int mostShown = 60;                        // nobody scrolls further; typing another letter is quicker

class CommandDelegate : public QStyledItemDelegate {
 public:
  using QStyledItemDelegate::QStyledItemDelegate;
  QSize sizeHint(const QStyleOptionViewItem&, const QModelIndex&) const override { return {200, 32}; }
  void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override {
    const Tokens& t = tokens();
    painter->save();
    painter->setRenderHint(QPainter::Antialiasing);
    const QRectF row = QRectF(option.rect).adjusted(6, 1, -6, -1);
    if (option.state.testFlag(QStyle::State_Selected)) {
      painter->setPen(Qt::NoPen);
      painter->setBrush(t.selection);
      painter->drawRoundedRect(row, 5, 5);
    }
    index.data(Qt::DecorationRole).value<QIcon>().paint(painter, QRect(int(row.left()) + 8, int(row.center().y()) - 8, 16, 16));
    const QFontMetricsF metrics(controlFont()), small(smallFont());
    painter->setFont(controlFont());
    painter->setPen(t.text);
    const QString keys = index.data(keysRole).toString(), detail = index.data(detailRole).toString();
    const double right = row.right() - 10;
    const double keysWidth = keys.isEmpty() ? 0 : small.horizontalAdvance(keys) + 14;
    const double titleWidth = std::min(metrics.horizontalAdvance(index.data().toString()) + 2, (right - keysWidth - row.left() - 34) * 0.75);
    painter->drawText(QRectF(row.left() + 34, row.top(), titleWidth, row.height()), Qt::AlignVCenter,
                      metrics.elidedText(index.data().toString(), Qt::ElideRight, titleWidth));
    painter->setFont(smallFont());
    painter->setPen(t.muted);
    const QRectF rest(row.left() + 34 + titleWidth + 10, row.top(), right - keysWidth - row.left() - 34 - titleWidth - 10, row.height());
    painter->drawText(rest, Qt::AlignVCenter, small.elidedText(detail, Qt::ElideRight, rest.width()));
    painter->drawText(QRectF(right - keysWidth, row.top(), keysWidth, row.height()), Qt::AlignVCenter | Qt::AlignRight, keys);
    painter->restore();
  }
};

}  // namespace

int matchScore(const QString& typed, const QString& text) {
  int score = 1;
  for (const QString& word : typed.split(' ', Qt::SkipEmptyParts)) {
    qsizetype at = text.indexOf(word, 0, Qt::CaseInsensitive);
    if (at < 0) return 0;
    // A hit at the beginning of a word counts more than one inside.
    int best = 1;
    while (at >= 0) {
      if (at == 0) best = std::max(best, 12);
      else if (!text[at - 1].isLetterOrNumber()) best = std::max(best, 6);
      at = text.indexOf(word, at + 1, Qt::CaseInsensitive);
    }
    score += best * 4 + static_cast<int>(word.size());
  }
  return score;
}

CommandPalette::CommandPalette(QList<Command> commands, QWidget* parent) : QFrame(parent, Qt::Popup), commands_(std::move(commands)) {
  setObjectName("palette");
  setAttribute(Qt::WA_DeleteOnClose);
  setAccessibleName(tr("Command palette"));
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(1, 1, 1, 6);
  column->setSpacing(4);
  line_ = new QLineEdit(this);
  line_->setPlaceholderText(tr("Type an action, a lab, a preset or a parameter"));
  line_->setAccessibleName(tr("Search everything"));
  line_->addAction(app::icon("search", IconTone::muted), QLineEdit::LeadingPosition);
  line_->installEventFilter(this);
  column->addWidget(line_);
  list_ = new QListView(this);
  list_->setAccessibleName(tr("Found"));
  model_ = new QStandardItemModel(this);
  list_->setModel(model_);
  list_->setItemDelegate(new CommandDelegate(list_));
  list_->setUniformItemSizes(true);
  list_->setEditTriggers(QAbstractItemView::NoEditTriggers);
  list_->setFocusPolicy(Qt::NoFocus);
  list_->setMouseTracking(true);
  column->addWidget(list_, 1);
  connect(line_, &QLineEdit::textChanged, this, &CommandPalette::search);
  connect(list_, &QListView::clicked, this, [this](const QModelIndex& index) {
    list_->setCurrentIndex(index);
    runSelected();
  });
  connect(list_, &QListView::entered, list_, &QListView::setCurrentIndex);
  setFixedWidth(std::min(620, parent->width() - 40));
  move(parent->mapToGlobal(QPoint((parent->width() - width()) / 2, 64)));
  search({});
  line_->setFocus();
}

int CommandPalette::found() const { return model_->rowCount(); }

void CommandPalette::search(const QString& typed) {
  QList<std::pair<int, int>> hits;                   // -score, index: equal scores keep their order
  for (int i = 0; i < commands_.size(); ++i) {
    const Command& command = commands_[i];
    const int title = matchScore(typed, command.title);
    const int any = matchScore(typed, command.title + "\n" + command.detail + "\n" + command.alsoKnownAs);
    if (any > 0) hits.append({-(title * 4 + any), i});
  }
  std::sort(hits.begin(), hits.end());
  model_->clear();
  for (const auto& [score, i] : hits.mid(0, mostShown)) {
    const Command& command = commands_[i];
    auto* item = new QStandardItem(app::icon(command.icon, IconTone::muted), command.title);
    item->setData(command.detail, detailRole);
    item->setData(command.keys, keysRole);
    item->setData(i, indexRole);
    item->setData(command.title + ". " + command.detail, Qt::AccessibleTextRole);
    model_->appendRow(item);
  }
  list_->setCurrentIndex(model_->index(0, 0));
  // As tall as what was found.
  setFixedHeight(52 + std::clamp(model_->rowCount(), 1, 12) * 32);
}

void CommandPalette::runSelected() {
  const QModelIndex index = list_->currentIndex();
  if (!index.isValid()) return;
  const auto run = commands_[index.data(indexRole).toInt()].run;
  close();
  run();
}

bool CommandPalette::eventFilter(QObject* watched, QEvent* event) {
  if (watched != line_ || event->type() != QEvent::KeyPress) return QFrame::eventFilter(watched, event);
  const int rows = model_->rowCount(), row = list_->currentIndex().row();
  switch (static_cast<QKeyEvent*>(event)->key()) {
    case Qt::Key_Down: list_->setCurrentIndex(model_->index(std::min(row + 1, rows - 1), 0)); return true;
    case Qt::Key_Up: list_->setCurrentIndex(model_->index(std::max(row - 1, 0), 0)); return true;
    case Qt::Key_PageDown: list_->setCurrentIndex(model_->index(std::min(row + 10, rows - 1), 0)); return true;
    case Qt::Key_PageUp: list_->setCurrentIndex(model_->index(std::max(row - 10, 0), 0)); return true;
    case Qt::Key_Return:
    case Qt::Key_Enter: runSelected(); return true;
    case Qt::Key_Escape: close(); return true;
    default: return false;
  }
}

}  // namespace orrery::app
