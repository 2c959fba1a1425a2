// The program: the command line, and the window when no command is given.

#include "app/cli/cli.h"
#include "app/shell/run_window.h"

int main(int argc, char** argv) {
  return orrery::cli::run(argc, argv, [](int& count, char** arguments, const orrery::cli::WindowRequest& request) {
    orrery::app::WindowOptions options;
    options.files = request.files;
    options.language = request.language;
    options.device = request.device;
    options.safeMode = request.safeMode;
    return orrery::app::runWindow(count, arguments, options);
  });
}
