#include "app/shell/keys_dialog.h"

#include <QDialog>
#include <QDialogButtonBox>
#include <QHeaderView>
#include <QKeySequenceEdit>
#include <QLabel>
#include <QPointer>
#include <QPushButton>
#include <QTableWidget>
#include <QVBoxLayout>

#include "app/inspector/small_widgets.h"
#include "app/shell/actions.h"

namespace orrery::app {

void showKeys(Actions& actions, QWidget* parent) {
  auto* dialog = new QDialog(parent);
  dialog->setObjectName("keysDialog");
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setWindowTitle(QObject::tr("Keys"));
  dialog->resize(560, 640);
  auto* column = new QVBoxLayout(dialog);
  column->setContentsMargins(16, 14, 16, 14);
  column->setSpacing(10);
  auto* head = new QLabel(QObject::tr("Click a key to change it. In the inspector: double click on a label resets it, Shift moves finer, Ctrl snaps, and number "
                                      "fields take expressions such as 1/3, 2e-4, 64k."),
                          dialog);
  head->setWordWrap(true);
  head->setObjectName("muted");
  column->addWidget(head);
  auto* table = new QTableWidget(static_cast<int>(actions.entries().size()), 2, dialog);
  table->setAccessibleName(QObject::tr("Keys"));
  table->setHorizontalHeaderLabels({QObject::tr("Action"), QObject::tr("Key")});
  table->verticalHeader()->hide();
  table->verticalHeader()->setDefaultSectionSize(34);
  table->setShowGrid(false);
  table->setSelectionMode(QAbstractItemView::NoSelection);
  table->horizontalHeader()->setSectionResizeMode(0, QHeaderView::Stretch);
  table->setColumnWidth(1, 180);
  // Rows without an icon keep its place.
  QPixmap blank(16, 16);
  blank.fill(Qt::transparent);
  QList<QKeySequenceEdit*> edits;
  for (int i = 0; i < table->rowCount(); ++i) {
    const ActionEntry& entry = actions.entries()[i];
    const QString text = withoutMnemonic(entry.action->text());
    auto* item = new QTableWidgetItem(entry.action->icon().isNull() ? QIcon(blank) : entry.action->icon(), text);
    item->setFlags(Qt::ItemIsEnabled);
    table->setItem(i, 0, item);
    auto* edit = new QKeySequenceEdit(entry.action->shortcut(), table);
    edit->setAccessibleName(QObject::tr("Key of %1").arg(text));
    edits.append(edit);
    table->setCellWidget(i, 1, edit);
  }
  const auto refresh = [&actions, edits] {
    for (qsizetype i = 0; i < edits.size(); ++i) {
      const QSignalBlocker quiet(edits[i]);
      edits[i]->setKeySequence(actions.entries()[i].action->shortcut());
    }
  };
  const QPointer<Actions> alive(&actions);
  for (qsizetype i = 0; i < edits.size(); ++i) {
    QObject::connect(edits[i], &QKeySequenceEdit::editingFinished, dialog, [alive, edits, i, refresh] {
      if (!alive) return;
      // One stroke per action; a longer sequence would wait for the next key.
      const QKeySequence keys = edits[i]->keySequence().isEmpty() ? QKeySequence() : QKeySequence(edits[i]->keySequence()[0]);
      alive->remap(alive->entries()[i].id, keys);
      refresh();
    });
  }
  column->addWidget(table, 1);
  auto* buttons = new QDialogButtonBox(dialog);
  QPushButton* restore = buttons->addButton(QObject::tr("Restore all"), QDialogButtonBox::ResetRole);
  QPushButton* close = buttons->addButton(QObject::tr("Close"), QDialogButtonBox::RejectRole);
  column->addWidget(buttons);
  QObject::connect(restore, &QPushButton::clicked, dialog, [alive, refresh] {
    if (!alive) return;
    alive->restoreInitial();
    refresh();
  });
  QObject::connect(close, &QPushButton::clicked, dialog, &QDialog::close);
  // The dialog shows actions that a change of language replaces.
  QObject::connect(&actions, &QObject::destroyed, dialog, &QDialog::close);
  dialog->show();
}

}  // namespace orrery::app
