#include "app/shell/lab_chooser.h"

#include <QDialog>
#include <QFileInfo>
#include <QLabel>
#include <QPushButton>
#include <QVBoxLayout>

#include "app/inspector/small_widgets.h"
#include "app/inspector/theme.h"
#include "app/shell/start_page.h"

namespace orrery::app {

void chooseLab(const DropPlan& plan, const QString& currentLab, QWidget* parent, std::function<void(const DropTarget&)> chosen) {
  auto* dialog = new QDialog(parent);
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setModal(true);
  dialog->setObjectName("labChooser");
  dialog->setWindowTitle(QObject::tr("Open in which lab?"));
  auto* column = new QVBoxLayout(dialog);
  column->setContentsMargins(18, 16, 18, 16);
  column->setSpacing(8);
  QStringList names;
  for (const QString& path : plan.paths) names << QFileInfo(path).fileName();
  auto* head = new QLabel(names.join(", "), dialog);
  head->setFont(titleFont());
  column->addWidget(head);
  if (!plan.reports.empty()) {
    auto* what = new QLabel(QString::fromStdString(plan.reports.front().title), dialog);
    what->setObjectName("muted");
    column->addWidget(what);
  }
  bool first = true;
  for (const DropTarget& target : plan.targets) {
    auto* button = new QPushButton(shown(target.lab->title), dialog);
    button->setAccessibleName(shown(target.lab->title));
    button->setToolTip(shown(target.lab->summary));
    button->setMinimumWidth(320);
    // The lab in front, else the best match, is what Return takes.
    if (first || QString::fromStdString(target.lab->id) == currentLab) button->setDefault(true);
    first = false;
    column->addWidget(button);
    QObject::connect(button, &QPushButton::clicked, dialog, [dialog, target, chosen] {
      dialog->accept();
      chosen(target);
    });
  }
  dialog->show();
}

}  // namespace orrery::app
