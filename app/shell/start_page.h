#pragma once
// The start page: the labs as cards by wing, what was opened before, and where to drop.

#include <QAbstractButton>
#include <QHash>
#include <QScrollArea>

#include "app/shell/settings.h"

class QLabel;
class QVBoxLayout;

namespace orrery::app {

class Thumbnails;

// A picture, a title and one line; a button for keyboards and screen readers.
class LabCard : public QAbstractButton {
  Q_OBJECT

 public:
  LabCard(const QString& lab, const QString& title, const QString& summary, QWidget* parent);
  void setPicture(const QImage& picture);
  QSize sizeHint() const override { return {288, 224}; }
  QString lab() const { return lab_; }

 protected:
  void paintEvent(QPaintEvent*) override;

 private:
  QString lab_, title_, summary_;
  QImage picture_;
};

// Rows of equal cards, as many as fit; the heading of a wing stands above its first card.
class CardGrid : public QWidget {
  Q_OBJECT

 public:
  explicit CardGrid(QWidget* parent) : QWidget(parent) {}
  bool hasHeightForWidth() const override { return true; }
  int heightForWidth(int width) const override;
  QSize sizeHint() const override { return {600, heightForWidth(600)}; }
  void add(LabCard* card, QLabel* heading) { cards_.append({card, heading}); }   // heading: of the first card of a wing, else null

 protected:
  void resizeEvent(QResizeEvent*) override;

 private:
  struct Cell {
    LabCard* card;
    QLabel* heading;
  };
  // Places every card for this width and gives the height; only measures when `move` is false.
  int place(int width, bool move) const;
  QList<Cell> cards_;
};

class StartPage : public QWidget {
  Q_OBJECT

 public:
  StartPage(Thumbnails& thumbnails, Settings& settings, QWidget* parent = nullptr);
  void reload();                                     // language, theme or recents changed
  QList<LabCard*> cards() const;

 signals:
  void labChosen(const QString& lab);
  void fileChosen(const QString& path);
  void openRequested();

 protected:
  void showEvent(QShowEvent*) override;
  void hideEvent(QHideEvent*) override;

 private:
  void fillRecents(QVBoxLayout* column, QWidget* body);
  Thumbnails& thumbnails_;
  Settings& settings_;
  QScrollArea* scroll_ = nullptr;
  QHash<QString, LabCard*> cards_;
};

// The lab that moves on the start page: the one the issue names, or the first there is.
QString liveLab();

// "attention" -> "Attention", in the window's language.
QString wingTitle(const QString& wing);
// Wings in the order of the house: attention, generative, vision, language, training, data, then any other.
QStringList wings();

}  // namespace orrery::app
