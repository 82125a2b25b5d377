#include "tests/unit/control/source/files.h"

#include <cstdlib>

#include "core/base/check.h"

namespace aquifer::control {

TestDirectory::TestDirectory() {
  std::string path = std::filesystem::temp_directory_path() / "aquifer-control-XXXXXX";
  AQ_CHECK(::mkdtemp(path.data()) != nullptr);
  path_ = path;
}

}  // namespace aquifer::control
