#pragma once
// The lab flow-matching on pictures: noise follows the exact velocity of a set of pictures, and ends in pictures of the set.

#include "core/labs/generative/shared/picture_memory_lab.h"

namespace orrery::generative {

// Never an Error: every path and solver is one.
Expected<std::shared_ptr<const PictureCourse>> flowCourse(const LabContext& context, const PictureMemory& memory);

}  // namespace orrery::generative
