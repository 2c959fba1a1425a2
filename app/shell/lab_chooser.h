#pragma once
// Several labs take the dropped file: a small list to choose from.

#include "app/shell/drop_controller.h"

class QWidget;

namespace orrery::app {

// Non-blocking; calls `chosen` with the picked target.
void chooseLab(const DropPlan& plan, const QString& currentLab, QWidget* parent, std::function<void(const DropTarget&)> chosen);

}  // namespace orrery::app
