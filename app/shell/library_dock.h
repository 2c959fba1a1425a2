#pragma once
// The library: every lab by wing, with its picture and one line, found by typing.

#include <QHash>
#include <QWidget>

class QLineEdit;
class QStandardItem;
class QStandardItemModel;
class QTreeView;

namespace orrery::app {

class Thumbnails;

class Library : public QWidget {
  Q_OBJECT

 public:
  explicit Library(Thumbnails& thumbnails, QWidget* parent = nullptr);
  void setCurrent(const QString& lab);               // the lab of the tab in front
  void setRecentLine(const QString& text);
  void focusSearch();
  int shownLabs() const;                             // after the search

 signals:
  void labChosen(const QString& lab, bool newTab);   // newTab: with Ctrl or the middle button

 protected:
  bool eventFilter(QObject* watched, QEvent* event) override;

 private:
  void fill();
  void search(const QString& text);
  QLineEdit* search_ = nullptr;
  QTreeView* tree_ = nullptr;
  QWidget* recent_ = nullptr;
  QStandardItemModel* model_ = nullptr;
  Thumbnails& thumbnails_;
  QHash<QString, QStandardItem*> items_;
  QString current_;
};

}  // namespace orrery::app
