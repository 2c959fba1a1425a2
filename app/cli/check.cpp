// orrery check: every kernel against its plain C++ reference on this device.

#include "core/kernels/check.h"

#include <nlohmann/json.hpp>

#include "app/cli/commands.h"
#include "app/cli/output.h"
#include "core/base/text.h"
#include "core/kernels/kernel.h"

namespace orrery::cli {

int check(const CheckOptions& options) {
  const auto device = gpu::Device::open(options.device);
  if (!device) return fail(device.error());
  noteMissingMatrices(**device);
  const auto total = registered<kernels::Kernel>().size();
  std::vector<kernels::KernelReport> reports;
  try {
    ProgressLine line;
    std::size_t done = 0;
    reports = kernels::checkKernels(*device, options.quick, [&](std::string_view kernel) {
      line.show(trf("checking {}", kernel), static_cast<double>(done++) / static_cast<double>(total));
      return true;
    });
  } catch (const std::exception& failed) {
    return fail(makeError(ErrorCode::gpu, trf("the check could not be finished: {}", std::string(failed.what()))));
  }

  bool good = true;
  auto list = nlohmann::json::array();
  Table table;
  for (const auto& report : reports) {
    good = good && report.ok;
    list.push_back({{"id", report.id}, {"ok", report.ok}, {"worst_relative_error", report.worstRelativeError}, {"where", report.where}});
    table.row({report.id, report.ok ? tr("agrees") : tr("DIFFERS"), fmt::format("{:.2g}", report.worstRelativeError), report.where});
  }
  const int printed = options.json ? printJson({{"device", (*device)->summary().name}, {"kernels", list}})
                                   : print((*device)->summary().name + "\n" + table.text(2));
  return printed != 0 ? printed : good ? 0 : 1;
}

}  // namespace orrery::cli
