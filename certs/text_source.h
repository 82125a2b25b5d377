// Text that may change while the program runs, read anew each time it is needed: root certificates
// and tokens, which the platform rotates in place. What a setting means is decided here once: a
// path, the word SYSTEM, or the text itself. Reading blocks for a moment; control loop only.
#pragma once

#include <functional>
#include <string>

#include "core/base/result.h"

namespace aquifer::certs {

using TextSource = std::function<Result<std::string>()>;

// A setting of XDS_ROOT_CA's kind: inline PEM, SYSTEM for the operating system's bundle, or a path.
TextSource RootsFrom(std::string setting);
// A setting of AUTH_TOKEN's kind: a path if it holds a slash (no token does), else the token
// itself. A file that is not there is no token; blanks around the token are not part of it.
TextSource TokenFrom(std::string setting);

}  // namespace aquifer::certs
