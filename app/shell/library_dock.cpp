#include "app/shell/library_dock.h"

#include <QApplication>
#include <QKeyEvent>
#include <QLineEdit>
#include <QMouseEvent>
#include <QPainter>
#include <QStandardItemModel>
#include <QStyledItemDelegate>
#include <QTreeView>
#include <QVBoxLayout>

#include "app/inspector/icons.h"
#include "app/inspector/small_widgets.h"
#include "app/inspector/theme.h"
#include "app/shell/start_page.h"
#include "app/shell/thumbnails.h"
#include "core/session/lab.h"

namespace orrery::app {

namespace {

enum ItemRole { labRole = Qt::UserRole + 1, summaryRole, pictureRole, currentRole, wordsRole };

// A wing is a heading; a lab is picture, title and one line.
class LabDelegate : public QStyledItemDelegate {
 public:
  using QStyledItemDelegate::QStyledItemDelegate;

  QSize sizeHint(const QStyleOptionViewItem&, const QModelIndex& index) const override {
    return {100, index.data(labRole).toString().isEmpty() ? 32 : 46};
  }

  void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override {
    const Tokens& t = tokens();
    painter->save();
    painter->setRenderHints(QPainter::Antialiasing | QPainter::SmoothPixmapTransform);
    const QRect area = option.rect;
    if (index.data(labRole).toString().isEmpty()) {
      painter->setFont(groupFont());
      painter->setPen(t.muted);
      painter->drawText(area.adjusted(14, 10, -8, 0), Qt::AlignLeft | Qt::AlignVCenter, index.data(Qt::DisplayRole).toString());
      painter->restore();
      return;
    }
    const bool current = index.data(currentRole).toBool();
    const QRectF row = QRectF(area).adjusted(8, 1, -8, -1);
    if (current || option.state.testFlag(QStyle::State_MouseOver) || option.state.testFlag(QStyle::State_HasFocus)) {
      painter->setPen(option.state.testFlag(QStyle::State_HasFocus) ? QPen(t.accent, 1) : QPen(Qt::NoPen));
      painter->setBrush(current ? t.selection : t.hover);
      painter->drawRoundedRect(row, 5, 5);
    }
    if (current) {
      painter->setPen(Qt::NoPen);
      painter->setBrush(t.accent);
      painter->drawRoundedRect(QRectF(row.left(), row.top(), 3, row.height()), 1.5, 1.5);
    }
    const QRectF picture(row.left() + 9, row.center().y() - 15, 44, 30);
    painter->setPen(QPen(t.border, 1));
    painter->setBrush(t.canvas);
    painter->drawRoundedRect(picture.adjusted(0.5, 0.5, -0.5, -0.5), 4, 4);
    const QImage image = index.data(pictureRole).value<QImage>();
    if (!image.isNull()) {
      QSizeF size = image.deviceIndependentSize();
      size.scale(picture.width() - 2, picture.height() - 2, Qt::KeepAspectRatio);
      painter->drawImage(QRectF(picture.center() - QPointF(size.width() / 2, size.height() / 2), size), image);
    } else {
      icon("lab", IconTone::muted).paint(painter, picture.adjusted(14, 7, -14, -7).toRect());
    }
    const QRectF words(picture.right() + 9, row.top() + 4, row.right() - picture.right() - 14, 18);
    painter->setFont(controlFont());
    painter->setPen(t.text);
    painter->drawText(words, Qt::AlignLeft | Qt::AlignVCenter,
                      QFontMetricsF(controlFont()).elidedText(index.data(Qt::DisplayRole).toString(), Qt::ElideRight, words.width()));
    painter->setFont(smallFont());
    painter->setPen(t.muted);
    painter->drawText(words.translated(0, 17), Qt::AlignLeft | Qt::AlignVCenter,
                      QFontMetricsF(smallFont()).elidedText(index.data(summaryRole).toString(), Qt::ElideRight, words.width()));
    painter->restore();
  }
};

}  // namespace

Library::Library(Thumbnails& thumbnails, QWidget* parent) : QWidget(parent), thumbnails_(thumbnails) {
  setObjectName("dockBody");
  setAttribute(Qt::WA_StyledBackground);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 12, 0, 8);
  column->setSpacing(6);
  search_ = new QLineEdit(this);
  search_->setPlaceholderText(tr("Search labs"));
  search_->setAccessibleName(tr("Search labs"));
  search_->setClearButtonEnabled(true);
  search_->addAction(icon("search", IconTone::muted), QLineEdit::LeadingPosition);
  search_->installEventFilter(this);
  auto* margin = new QVBoxLayout;
  margin->setContentsMargins(12, 0, 12, 0);
  margin->addWidget(search_);
  column->addLayout(margin);

  model_ = new QStandardItemModel(this);
  tree_ = new QTreeView(this);
  tree_->setModel(model_);
  tree_->setItemDelegate(new LabDelegate(tree_));
  tree_->setHeaderHidden(true);
  tree_->setRootIsDecorated(false);
  tree_->setIndentation(0);
  tree_->setItemsExpandable(false);
  tree_->setMouseTracking(true);
  tree_->setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
  tree_->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  tree_->setEditTriggers(QAbstractItemView::NoEditTriggers);
  tree_->setAccessibleName(tr("Labs"));
  tree_->viewport()->installEventFilter(this);
  column->addWidget(tree_, 1);

  auto* recent = new ElidedLabel(this);
  recent->setObjectName("muted");
  recent->setFont(smallFont());
  recent->setContentsMargins(16, 0, 12, 0);
  recent->hide();
  recent_ = recent;
  column->addWidget(recent);

  fill();
  connect(search_, &QLineEdit::textChanged, this, &Library::search);
  connect(tree_, &QTreeView::activated, this, [this](const QModelIndex& index) {
    const QString lab = index.data(labRole).toString();
    if (!lab.isEmpty()) emit labChosen(lab, QApplication::keyboardModifiers().testFlag(Qt::ControlModifier));
  });
  connect(&thumbnails_, &Thumbnails::arrived, this, [this](const QString& lab, const QImage& picture) {
    // A moving card would make the whole library flicker: here the first picture stays.
    QStandardItem* item = items_.value(lab);
    if (item && (lab != liveLab() || item->data(pictureRole).value<QImage>().isNull())) item->setData(picture, pictureRole);
  });
}

void Library::fill() {
  for (const QString& wing : wings()) {
    auto* group = new QStandardItem(wingTitle(wing));
    group->setFlags(Qt::ItemIsEnabled);
    for (const LabEntry& lab : registered<LabEntry>()) {
      if (QString::fromStdString(lab.wing()) != wing) continue;
      const QString id = QString::fromStdString(lab.id);
      auto* item = new QStandardItem(shown(lab.title));
      item->setData(id, labRole);
      item->setData(shown(lab.summary), summaryRole);
      item->setData(thumbnails_.picture(id), pictureRole);
      // Found by its English name as well, whatever language the window speaks.
      item->setData(shown(lab.title) + "\n" + shown(lab.summary) + "\n" + QString::fromStdString(lab.title + "\n" + lab.id), wordsRole);
      item->setData(shown(lab.title) + ". " + shown(lab.summary), Qt::AccessibleTextRole);
      item->setToolTip(shown(lab.summary));
      group->appendRow(item);
      items_.insert(id, item);
    }
    model_->appendRow(group);
  }
  tree_->expandAll();
}

void Library::search(const QString& text) {
  const QStringList words = text.split(' ', Qt::SkipEmptyParts);
  for (int g = 0; g < model_->rowCount(); ++g) {
    const QModelIndex group = model_->index(g, 0);
    bool any = false;
    for (int i = 0; i < model_->rowCount(group); ++i) {
      const QString haystack = model_->index(i, 0, group).data(wordsRole).toString();
      const bool found = std::all_of(words.begin(), words.end(), [&](const QString& word) { return haystack.contains(word, Qt::CaseInsensitive); });
      tree_->setRowHidden(i, group, !found);
      any = any || found;
    }
    tree_->setRowHidden(g, {}, !any);
  }
}

int Library::shownLabs() const {
  int count = 0;
  for (int g = 0; g < model_->rowCount(); ++g) {
    const QModelIndex group = model_->index(g, 0);
    for (int i = 0; i < model_->rowCount(group); ++i) count += tree_->isRowHidden(i, group) ? 0 : 1;
  }
  return count;
}

void Library::setCurrent(const QString& lab) {
  if (QStandardItem* item = items_.value(current_)) item->setData(false, currentRole);
  current_ = lab;
  if (QStandardItem* item = items_.value(current_)) item->setData(true, currentRole);
}

void Library::setRecentLine(const QString& text) {
  static_cast<ElidedLabel*>(recent_)->setText(text);
  recent_->setToolTip(text);
  recent_->setVisible(!text.isEmpty());
}

void Library::focusSearch() {
  search_->setFocus(Qt::ShortcutFocusReason);
  search_->selectAll();
}

bool Library::eventFilter(QObject* watched, QEvent* event) {
  if (watched == tree_->viewport() && event->type() == QEvent::MouseButtonRelease) {
    auto* mouse = static_cast<QMouseEvent*>(event);
    const QModelIndex index = tree_->indexAt(mouse->pos());
    const QString lab = index.data(labRole).toString();
    if (!lab.isEmpty() && (mouse->button() == Qt::LeftButton || mouse->button() == Qt::MiddleButton)) {
      // One click opens; the view's own activation would need two on some desktops.
      emit labChosen(lab, mouse->button() == Qt::MiddleButton || mouse->modifiers().testFlag(Qt::ControlModifier));
      return true;
    }
  }
  if (watched == search_ && event->type() == QEvent::KeyPress) {
    const int key = static_cast<QKeyEvent*>(event)->key();
    if (key == Qt::Key_Down) {
      tree_->setFocus();
      tree_->setCurrentIndex(tree_->indexBelow(tree_->model()->index(0, 0)));
      return true;
    }
    if (key == Qt::Key_Return || key == Qt::Key_Enter) {
      for (const auto& [lab, item] : items_.asKeyValueRange()) {
        if (tree_->isRowHidden(item->row(), item->parent()->index())) continue;
        emit labChosen(lab, false);
        return true;
      }
    }
  }
  return QWidget::eventFilter(watched, event);
}

}  // namespace orrery::app
