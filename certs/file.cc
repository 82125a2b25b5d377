#include "certs/file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>

#include "core/base/unique_fd.h"
#include "core/base/write_all.h"

namespace aquifer::certs {
namespace {

Error SystemError() {
  const int os_error = errno;
  return Error{os_error == ENOENT ? Reason::kNotFound : Reason::kSystem, os_error};
}

Status WriteNew(const std::string& path, std::string_view content, mode_t mode) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd.valid()) return SystemError();
  if (::fchmod(fd.get(), mode) != 0) return SystemError();  // the umask may have taken bits away
  const Status written = WriteAll(fd.get(), content);
  if (!written.ok()) return Error{Reason::kSystem, written.error().os_error};
  if (::fsync(fd.get()) != 0) return SystemError();
  return Status();
}

}  // namespace

Result<std::string> ReadSmallFile(const std::string& path, size_t max_bytes) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return SystemError();
  std::string content(max_bytes + 1, '\0');
  size_t size = 0;
  while (size < content.size()) {
    const ssize_t got = ::read(fd.get(), content.data() + size, content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError();
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > max_bytes) return Error{Reason::kBadRequest, EFBIG};
  content.resize(size);
  content.shrink_to_fit();
  return content;
}

Status WriteFileWhole(const std::string& path, std::string_view content, mode_t mode) {
  // One writer a file by construction; what a killed one left behind is in the way.
  const std::string beside = path + ".new";
  if (::unlink(beside.c_str()) != 0 && errno != ENOENT) return SystemError();
  const Status written = WriteNew(beside, content, mode);
  if (!written) {
    ::unlink(beside.c_str());
    return written;
  }
  if (::rename(beside.c_str(), path.c_str()) != 0) return SystemError();
  return Status();
}

}  // namespace aquifer::certs
