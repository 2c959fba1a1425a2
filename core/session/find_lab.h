#pragma once
// Looking a lab up by the name a person typed.

#include <string_view>

#include "core/base/expected.h"
#include "core/session/lab.h"

namespace orrery {

// By full id, or by its part after the wing where that is unique. A usage error names the nearest ids.
Expected<const LabEntry*> findLab(std::string_view id);

}  // namespace orrery
