#pragma once
// Where a figure's panels stand.

#include <utility>

#include "core/figure/figure.h"

namespace orrery {

// Adds the panel in a cell of the figure's grid, over so many columns and rows.
inline void place(Figure& figure, Panel panel, int row, int column, int columnSpan = 1, int rowSpan = 1) {
  panel.row = row, panel.column = column, panel.columnSpan = columnSpan, panel.rowSpan = rowSpan;
  figure.panels.push_back(std::move(panel));
}

}  // namespace orrery
