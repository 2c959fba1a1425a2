// orrery labs, show, devices: what there is. None of them opens a device.

#include <nlohmann/json.hpp>

#include "app/cli/commands.h"
#include "app/cli/output.h"
#include "core/base/text.h"
#include "core/session/find_lab.h"

namespace orrery::cli {

namespace {

nlohmann::json jsonOf(const Parameter& parameter) {
  return {{"id", parameter.id},
          {"label", tr(parameter.label)},
          {"kind", kindOf(parameter.domain)},
          {"domain", toJson(parameter.domain)},
          {"default", toJson(parameter.initial)},
          {"unit", parameter.unit},
          {"help", tr(parameter.help)},
          {"group", tr(parameter.group)}};
}

nlohmann::json jsonOf(const LabEntry& lab) {
  auto parameters = nlohmann::json::array(), presets = nlohmann::json::array(), views = nlohmann::json::array(),
       accepts = nlohmann::json::array();
  for (const auto& parameter : lab.parameters) parameters.push_back(jsonOf(parameter));
  for (const auto& preset : lab.presets) {
    auto values = nlohmann::json::object();
    for (const auto& [id, value] : preset.values) values[id] = toJson(value);
    presets.push_back({{"id", preset.id}, {"title", tr(preset.title)}, {"help", tr(preset.help)}, {"values", values}});
  }
  for (const auto& view : lab.views) views.push_back({{"id", view.id}, {"title", tr(view.title)}});
  for (const auto& acceptance : lab.accepts) accepts.push_back({{"kinds", tr(acceptance.kinds)}, {"parameter", acceptance.parameter}});
  return {{"id", lab.id},       {"title", tr(lab.title)}, {"wing", lab.wing()}, {"summary", tr(lab.summary)}, {"parameters", parameters},
          {"presets", presets}, {"views", views},         {"accepts", accepts},   {"files", lab.files}};
}

// "2 to 2000", "one of a, b": the domain for people.
std::string describe(const Domain& domain) {
  struct Describe {
    std::string operator()(const Switch&) const { return tr("on or off"); }
    std::string operator()(const Integer& d) const { return trf("{} to {}", d.low, d.high); }
    std::string operator()(const Real& d) const { return trf("{} to {}", d.low, d.high); }
    std::string operator()(const LogReal& d) const { return trf("{} to {}", d.low, d.high); }
    std::string operator()(const Choice& d) const {
      std::string ids;
      for (const auto& option : d.options) ids += (ids.empty() ? "" : " | ") + option.id;
      return ids;
    }
    std::string operator()(const Text&) const { return tr("text"); }
    std::string operator()(const FileWell& d) const {
      std::string kinds;
      for (const auto& kind : d.kinds) kinds += (kinds.empty() ? "" : ", ") + kind;
      return d.folder ? trf("file or folder: {}", kinds) : trf("file: {}", kinds);
    }
    std::string operator()(const Seed&) const { return tr("seed"); }
  };
  return std::visit(Describe{}, domain);
}

// Defaults on one line: long texts would break the table.
std::string shortText(const Value& value) {
  auto text = toText(value);
  if (std::holds_alternative<std::string>(value) && (text.size() > 24 || text.find('\n') != std::string::npos)) {
    return trf("{} bytes of text", text.size());
  }
  return text.empty() ? "-" : text;
}

}  // namespace

int listLabs(bool json) {
  if (json) {
    auto list = nlohmann::json::array();
    for (const auto& lab : registered<LabEntry>()) {
      list.push_back({{"id", lab.id}, {"title", tr(lab.title)}, {"wing", lab.wing()}, {"summary", tr(lab.summary)}});
    }
    return printJson(list);
  }
  Table table;
  for (const auto& lab : registered<LabEntry>()) table.row({lab.id, tr(lab.title), tr(lab.summary)});
  return print(table.text());
}

int showLab(const std::string& id, bool json) {
  const auto found = findLab(id);
  if (!found) return fail(found.error());
  const LabEntry& lab = **found;
  if (json) return printJson(jsonOf(lab));

  std::string text = fmt::format("{}\n{}\n{}\n", lab.id, tr(lab.title), tr(lab.summary));
  std::string group = "\n";
  Table table;
  const auto flush = [&] {
    text += table.text(2);
    table = {};
  };
  for (const auto& parameter : lab.parameters) {
    if (parameter.group != group) {
      flush();
      group = parameter.group;
      text += "\n" + (group.empty() ? tr("Parameters") : tr(group)) + "\n";
    }
    const auto unit = parameter.unit.empty() ? "" : " " + parameter.unit;
    table.row({parameter.id, describe(parameter.domain), shortText(parameter.initial) + unit, tr(parameter.label)});
  }
  flush();
  if (!lab.presets.empty()) text += "\n" + tr("Presets") + "\n";
  for (const auto& preset : lab.presets) table.row({preset.id, tr(preset.title), tr(preset.help)});
  flush();
  if (!lab.views.empty()) text += "\n" + tr("Views") + "\n";
  for (const auto& view : lab.views) table.row({view.id, tr(view.title)});
  flush();
  if (!lab.accepts.empty()) text += "\n" + tr("Accepts") + "\n";
  for (const auto& acceptance : lab.accepts) table.row({acceptance.parameter, tr(acceptance.kinds)});
  flush();
  if (!lab.files.empty()) text += "\n" + tr("Data set") + "\n  " + lab.files + "\n";
  return print(text);
}

int showDevices(bool json) {
  const auto devices = gpu::listDevices();
  if (json) {
    auto list = nlohmann::json::array();
    for (const auto& device : devices) {
      list.push_back({{"index", device.index},
                      {"name", device.name},
                      {"driver", device.driver},
                      {"api", device.apiVersion},
                      {"kind", gpu::nameOf(device.kind)},
                      {"memory_bytes", device.memoryBytes},
                      {"subgroup_size", device.subgroupSize},
                      {"float16", device.float16},
                      {"timestamps", device.timestamps}});
    }
    return printJson(list);
  }
  if (devices.empty()) {
    note(tr("no Vulkan device was found; install a driver (Debian: mesa-vulkan-drivers)"));
    return 0;
  }
  Table table;
  for (const auto& device : devices) {
    table.row({fmt::format("{}", device.index), device.name, std::string(gpu::nameOf(device.kind)), trf("{} MiB", device.memoryBytes >> 20),
               "Vulkan " + device.apiVersion, device.driver});
  }
  return print(table.text());
}

}  // namespace orrery::cli
