// Names of other libraries in place of the bench's own choices: what they stand for is laid over the parameters.

#include "core/diffusion/library_names.h"

#include "core/labs/generative/samplers/lab.h"

namespace orrery::generative {

namespace {

// The parameters with some of them replaced.
class Overlaid : public LabContext {
 public:
  Overlaid(LabContext& whole, Values values) : whole_(whole), values_(std::move(values)) {}
  gpu::Stream& stream() override { return whole_.stream(); }
  const Values& values() const override { return values_; }
  bool changed(std::string_view id) const override { return whole_.changed(id); }
  bool restarting() const override { return whole_.restarting(); }
  bool cancelled() const override { return whole_.cancelled(); }
  void progress(double fraction, std::string_view what) override { whole_.progress(fraction, what); }
  void preview(const std::function<Figure()>& figure) override { whole_.preview(figure); }

 private:
  LabContext& whole_;
  Values values_;
};

// The beginning of a long call says which it is.
std::string shortened(const std::string& text) {
  constexpr std::size_t longest = 60;
  if (text.size() <= longest) return text;
  std::size_t end = longest;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not within a character
  return text.substr(0, end) + "…";
}

}  // namespace

Expected<Values> SamplerBench::namedValues(const LabContext& context) {
  static const LabEntry& entry = *findRegistered<LabEntry>("generative/samplers");
  Values values = context.values();
  taken_ = {};
  adopted_.clear();
  // What both sides share must not be said twice in two ways.
  std::map<std::string, std::string> said;
  const auto set = [&](const std::string& id, const std::string& value) -> Expected<void> {
    const auto [before, first] = said.emplace(id, value);
    if (!first && before->second != value)
      return makeError(ErrorCode::usage, trf("Left and right share {}, but their names say {} and {}: write it in one of them only", id,
                                             before->second, value));
    const auto read = parseValue(*entry.find(id), value);
    if (!read) return read.error();
    values.insert_or_assign(id, *read);
    if (first) adopted_.emplace_back(id, *read);
    return {};
  };
  for (const char* side : {"left", "right"}) {
    const std::string id = side + std::string("-name"), &text = context.text(id);
    const auto found = diffusion::fromLibrary(text);
    if (!found) return found.error();
    if (found->sampler == nullptr && found->grid == nullptr) continue;
    if (found->sampler != nullptr) {
      if (auto good = set(side, found->sampler->id); !good) return good.error();
    }
    if (found->grid != nullptr) {
      if (auto good = set("grid", found->grid->id); !good) return good.error();
    }
    for (const auto& [option, value] : found->options) {
      if (auto good = set(option, value); !good) return good.error();
    }
    taken_[side == std::string_view("left") ? 0 : 1] = trf("“{}” is {}", shortened(text), found->sentence());
    adopted_.emplace_back(id, std::string());
  }
  return values;
}

Expected<void> SamplerBench::update(LabContext& context) {
  const auto taken = taken_;
  const auto adopted = adopted_;
  auto values = namedValues(context);
  if (values) {
    Overlaid overlaid(context, *std::move(values));
    auto measured = measure(overlaid);
    if (measured) return {};
    taken_ = taken, adopted_ = adopted;
    return measured.error();
  }
  taken_ = taken, adopted_ = adopted;
  return values.error();
}

}  // namespace orrery::generative
