#pragma once
// All keys, to read and to change.

class QWidget;

namespace orrery::app {

class Actions;
void showKeys(Actions& actions, QWidget* parent);

}  // namespace orrery::app
