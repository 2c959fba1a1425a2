#pragma once
// Dropout on the tape.

#include "core/kernels/philox.h"
#include "core/nn/tape.h"

namespace orrery::nn {

// Hides elements with this probability and scales the others up (kernels/dropout.h): one key, one pattern. 0 gives x itself.
Variable dropout(const Variable& x, double probability, const kernels::RandomKey& key);

}  // namespace orrery::nn
