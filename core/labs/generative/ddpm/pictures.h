#pragma once
// The reverse chain of the lab ddpm on pictures, under the exact denoiser of a set of them: what it ends in are pictures of the set.

#include "core/labs/generative/shared/picture_memory_lab.h"

namespace orrery::generative {

// Error: of chainOf().
Expected<std::shared_ptr<const PictureCourse>> ddpmCourse(const LabContext& context, const PictureMemory& memory);

}  // namespace orrery::generative
