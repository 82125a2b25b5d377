#include "core/base/write_all.h"

#include <fcntl.h>

#include <cerrno>
#include <fstream>
#include <iterator>

#include "core/base/unique_fd.h"
#include "tests/support/temporary_folder.h"

namespace aquifer {

TEST_CASE("a text is written whole, or the reason is told why it is not") {
  const test::TemporaryFolder folder;
  const std::string path = folder.path / "file";
  const std::string text(3 << 20, 'x');
  {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    REQUIRE(WriteAll(fd.get(), text).ok());
  }
  std::ifstream file(path);
  CHECK(std::string(std::istreambuf_iterator<char>(file), {}) == text);
  const UniqueFd read_only(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const Status refused = WriteAll(read_only.get(), text);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().os_error == EBADF);
}

}  // namespace aquifer
