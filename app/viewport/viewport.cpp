#include "app/viewport/viewport.h"

#include <QVBoxLayout>
#include <algorithm>

#include "app/viewport/canvas.h"

namespace orrery::app {

Viewport::Viewport(QWidget* parent) : QWidget(parent), canvas_(std::make_unique<Canvas>(*this)) {
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  QWidget* container = QWidget::createWindowContainer(canvas_->window(), this);
  container->setFocusPolicy(Qt::StrongFocus);
  column->addWidget(container);
  setFocusProxy(container);
  setMinimumSize(200, 150);
}

Viewport::~Viewport() = default;

void Viewport::setSession(Session* session) { canvas_->setSession(session); }
void Viewport::pictureChanged() { canvas_->pictureChanged(); }
void Viewport::fit() { canvas_->fit({}); }
QImage Viewport::grabCanvas() { return canvas_->grab(); }

void Viewport::setTheme(ThemeKind theme) {
  canvas_->change([theme](CanvasState& state) { state.theme = theme; });
}

void Viewport::setOverlayVisible(bool visible) {
  canvas_->change([visible](CanvasState& state) { state.overlayVisible = visible; });
}

bool Viewport::overlayVisible() const {
  return canvas_->read<bool>([](const CanvasState& state) { return state.overlayVisible; });
}

void Viewport::setReduceMotion(bool reduce) {
  canvas_->change([reduce](CanvasState& state) { state.reduceMotion = reduce; });
}

LayoutOptions Viewport::exportOptions(ThemeKind theme) const {
  LayoutOptions options;
  options.theme = theme;
  const ViewState view = canvas_->read<ViewState>([](const CanvasState& state) { return state.view; });
  options.view = [view](const std::string& panel) { return view.of(panel); };
  return options;
}

double Viewport::framesPerSecond() const {
  return canvas_->read<double>([](const CanvasState& state) {
    const auto oldest = std::chrono::steady_clock::now() - std::chrono::seconds(1);
    return static_cast<double>(
        std::count_if(state.presentTimes.begin(), state.presentTimes.end(), [&](auto time) { return time >= oldest; }));
  });
}

quint64 Viewport::presentedFrames() const {
  return canvas_->read<quint64>([](const CanvasState& state) { return static_cast<quint64>(state.presented); });
}

}  // namespace orrery::app
