// Stable Diffusion 3's mechanisms, each in isolation: which times are trained, times at another resolution, the joint attention block with
// normalised queries and keys, two-dimensional positions, latent channels, guidance. Source: Esser et al. 2024; formulas, shapes and units
// stand at the head of each part's file in sd3/. Straight path x_t = (1 - t) x_0 + t eps, data at t = 0.

#include "core/base/text.h"
#include "core/labs/generative/sd3/lab.h"

namespace orrery::generative {

std::array<std::pair<const char*, sd3::Part*>, 6> Sd3::parts() const {
  return {{{"times", &times_},
           {"shift", &shift_},
           {"codec", &codec_},
           {"positions", &positions_},
           {"block", &block_},
           {"guidance", &guidance_}}};
}

Expected<void> Sd3::update(LabContext& context) {
  show_.clear();
  const std::string& show = context.text("show");
  for (const auto& [id, part] : parts()) {
    part->stale = part->stale || context.restarting() || part->touched(context);
  }
  for (const auto& [id, part] : parts()) {
    const bool needed = show == "overview" || show == id || (show == "block" && part == &codec_);
    if (!needed || !part->stale) continue;
    if (context.cancelled()) return makeError(ErrorCode::cancelled, tr("cancelled"));
    if (auto done = part->update(context); !done) return done;
    part->stale = false;
  }
  show_ = show;
  return {};
}

Figure Sd3::figure() const {
  Figure figure;
  if (show_.empty()) return figure;
  if (show_ == "overview") {
    sd3::place(figure, times_.overview(), 0, 0);
    sd3::place(figure, shift_.overview(), 0, 1);
    sd3::place(figure, block_.overview(), 0, 2);
    sd3::place(figure, positions_.overview(), 1, 0);
    sd3::place(figure, codec_.overview(), 1, 1);
    sd3::place(figure, guidance_.overview(), 1, 2);
  } else {
    for (const auto& [id, part] : parts()) {
      if (show_ == id) figure = part->detail();
    }
  }
  figure.title = tr("Stable Diffusion 3 mechanisms");
  return figure;
}

std::vector<Metric> Sd3::metrics() const {
  std::vector<Metric> metrics;
  for (const auto& [id, part] : parts()) {
    if (shows(id)) part->addMetrics(metrics);
  }
  return metrics;
}

Changes Sd3::pointer(const PointerEvent& event, const Values& values) const {
  for (const auto& [id, part] : parts()) {
    if (!shows(id)) continue;
    if (Changes changes = part->pointer(event, values); !changes.empty()) return changes;
  }
  return {};
}

ORRERY_LAB(Sd3);

}  // namespace orrery::generative
