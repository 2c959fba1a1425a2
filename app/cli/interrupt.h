#pragma once
// Ctrl+C and a polite kill, for commands that clean up after themselves. A second one ends the program at once.

namespace orrery::cli {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  static bool asked();
};

}  // namespace orrery::cli
