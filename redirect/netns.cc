#include "redirect/netns.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cerrno>

#include "core/base/check.h"
#include "core/base/last_error.h"

namespace aquifer::redirect {
namespace {

Result<NetnsRef> OpenPath(const std::string& path) {
  // O_NONBLOCK: the path comes from a manifest and could be a FIFO, which would hang an open.
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd.valid()) return LastError();
  AQ_TRY(NetnsRef netns, Netns::FromFd(std::move(fd)));
  AQ_TRY_STATUS(netns->CheckKind());
  return netns;
}

}  // namespace

Result<NetnsRef> Netns::FromFd(UniqueFd fd) {
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return LastError();
  return NetnsRef(
      std::make_shared<const Netns>(std::move(fd), NetnsId{status.st_dev, status.st_ino}));
}

Result<NetnsRef> Netns::Open(std::string_view name_or_path) {
  if (name_or_path.starts_with('/')) return OpenPath(std::string(name_or_path));
  if (name_or_path.empty() || name_or_path == "." || name_or_path == ".." ||
      name_or_path.find('/') != std::string_view::npos) {
    return Error{Reason::kBadRequest};
  }
  return OpenPath("/run/netns/" + std::string(name_or_path));
}

Result<NetnsRef> Netns::OfProcess(pid_t pid) {
  return OpenPath("/proc/" + std::to_string(pid) + "/ns/net");
}

Result<NetnsRef> Netns::Current() { return OpenPath("/proc/thread-self/ns/net"); }

Status Netns::CheckKind() const {
  // Other files answer with ENOTTY, other kinds of namespaces with their own number.
  if (::ioctl(fd_.get(), NS_GET_NSTYPE) == CLONE_NEWNET) return {};
  return Error{Reason::kUnsupported};
}

Status Netns::Enter() const {
  if (::setns(fd_.get(), CLONE_NEWNET) != 0) return LastError();
  return {};
}

NetnsReturn::~NetnsReturn() {
  const int saved = errno;  // of what was done inside
  AQ_CHECK(::setns(home_.fd(), CLONE_NEWNET) == 0);
  errno = saved;
}

bool Ipv6Enabled() {
  // Of the namespace of the reading thread. Without the file the kernel has no IPv6 at all.
  const UniqueFd file(::open("/proc/sys/net/ipv6/conf/lo/disable_ipv6", O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return false;
  char value = '1';
  return ::read(file.get(), &value, 1) == 1 && value == '0';
}

}  // namespace aquifer::redirect
