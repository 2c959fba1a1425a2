#pragma once
// One open lab on the stage: its session, the canvas, the card for its error, a thin progress line, and the transport bar.

#include <QElapsedTimer>
#include <QTimer>
#include <QWidget>
#include <atomic>
#include <memory>

#include "app/shell/figure_jobs.h"
#include "core/session/session.h"

class QVBoxLayout;

namespace orrery::app {

class ErrorCard;
class ProgressLine;
class TransportBar;
class Viewport;

class StagePane : public QWidget {
  Q_OBJECT

 public:
  explicit StagePane(std::unique_ptr<Session> session, QWidget* parent = nullptr);
  ~StagePane() override;

  Session& session() { return *session_; }
  Viewport& viewport() { return *viewport_; }
  TransportBar& transport() { return *transport_; }
  const SharedRenderer& renderer() const { return renderer_; }
  void applyTheme();
  void retranslate();
  void setActive(bool active, bool several);         // several: more than one pane is side by side, so the active one shows it
  const ErrorCard* errorCard() const { return errorCard_; }
  void refresh();                                    // shows what the session has now

 signals:
  void changed();                                    // the session reported something; on the window's thread, coalesced
  void activated();
  void hovered(const QString& text);
  void contextMenuRequested(const QPoint& at, const QString& panel, const QString& value);
  void filesHovering(const QStringList& paths);
  void filesDropped(const QStringList& paths);
  void keyPressed(int key, Qt::KeyboardModifiers modifiers);
  void locateRequested();                            // the error card's "choose another file…"

 private:
  void showError();

  std::unique_ptr<Session> session_;
  SharedRenderer renderer_ = std::make_shared<RendererSlot>();
  std::atomic<bool> pending_{false};
  QVBoxLayout* column_ = nullptr;
  QWidget* marker_ = nullptr;                        // accent line above the active pane
  ProgressLine* progress_ = nullptr;
  Viewport* viewport_ = nullptr;
  TransportBar* transport_ = nullptr;
  ErrorCard* errorCard_ = nullptr;
  QString shownError_;
  QTimer busyTimer_;
};

}  // namespace orrery::app
