#pragma once
// Non-maximum suppression, per image and class (or per image when classes are ignored).
// Hard: greedy by score (ties: lower index), suppress IoU > Nt. Soft-NMS (Bodla et al. 2017): every round the best remaining box is kept and the
// others decay: linear s <- s (1 - IoU) if IoU > Nt, Gaussian s <- s exp(-IoU^2 / sigma); boxes below the smallest score are dropped.

#include <cstdint>
#include <vector>

#include "core/data/detections.h"

namespace orrery {

enum class NmsKind : std::uint8_t { off, hard, linear, gaussian };

struct NmsOptions {
  NmsKind kind = NmsKind::hard;
  double threshold = 0.5;        // Nt
  double sigma = 0.5;            // Gaussian
  double smallestScore = 0.001;  // soft variants only
  bool useClasses = true;
};

// The boxes that stay, in input order, with their new scores. `keptFrom`, if given, receives each one's input index.
std::vector<ScoredBox> suppress(const std::vector<ScoredBox>& candidates, const NmsOptions& options, std::vector<std::uint32_t>* keptFrom = nullptr);

}  // namespace orrery
