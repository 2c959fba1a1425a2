#pragma once
// The one way a model file may name another: a file below its own folder. What a stranger's file says of places is refused rather than
// mended: no way out of the folder, no links of any kind, nothing but regular files.

#include <string>
#include <string_view>

#include "core/modelfile/bounded_reader.h"

namespace orrery::modelfile {

// `location` is relative to the folder of `owner`, with '/' between its parts. Error: a place outside that folder or one no file can have
// ("E-OX-08"), a link, pipe, device or folder on the way ("E-OX-09"), missing ("E-OX-12", notFound).
Expected<BoundedReader> openSideFile(const std::string& owner, std::string_view location);

}  // namespace orrery::modelfile
