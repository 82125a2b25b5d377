#include "core/base/folder_file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "core/base/unique_fd.h"

namespace aquifer {
namespace {

FileRefusal Failed(const char* what, int os_error) {
  return {std::string("cannot be ") + what + ": " + std::generic_category().message(os_error),
          os_error == ENOENT};
}

// The kernel resolves every link and forbids the way out (openat2(2), RESOLVE_BENEATH), so that
// nothing can be exchanged between a check and the opening.
UniqueFd OpenBeneath(int folder, const std::string& name) {
  open_how how{};
  // A pipe must not block its reader.
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  return UniqueFd(
      static_cast<int>(::syscall(SYS_openat2, folder, name.c_str(), &how, sizeof(how))));
}

Result<std::string, FileRefusal> ReadAll(int fd, std::size_t max_bytes) {
  constexpr std::size_t kStep = 64 << 10;
  std::string text;
  while (true) {
    const std::size_t before = text.size();
    text.resize(before + kStep);
    const ssize_t got = ::read(fd, text.data() + before, kStep);
    text.resize(before + static_cast<std::size_t>(got < 0 ? 0 : got));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Failed("read", errno);
    if (got == 0) return text;
    if (text.size() > max_bytes)
      return FileRefusal{"is larger than " + std::to_string(max_bytes) + " bytes"};
  }
}

}  // namespace

Result<std::string, FileRefusal> ReadFolderFile(const std::string& folder, const std::string& name,
                                                std::size_t max_bytes) {
  const UniqueFd root(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid()) return Failed("opened", errno);
  const UniqueFd fd = OpenBeneath(root.get(), name);
  if (!fd.valid() && errno == EXDEV) return FileRefusal{"is a link that leads out of the folder"};
  if (!fd.valid()) return Failed("opened", errno);
  struct stat info = {};
  if (::fstat(fd.get(), &info) != 0) return Failed("read", errno);
  if (!S_ISREG(info.st_mode)) return FileRefusal{"is not a regular file"};
  return ReadAll(fd.get(), max_bytes);
}

}  // namespace aquifer
