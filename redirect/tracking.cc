#include "redirect/tracking.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <optional>
#include <string>

#include "core/base/unique_fd.h"

namespace aquifer::redirect {
namespace {

struct Setting {
  const char* name;
  int ours;
  int kernels;
};

// Times in seconds. A connection that is half-closed is CLOSE_WAIT at both ends, may be silent for
// hours, and is renewed by the keep-alive probes of the node proxy's sockets. A FIN that was sent
// twice is taken for that of the other direction: LAST_ACK, TIME_WAIT; the probes of a closed
// window are up to two minutes apart, so that these must be longer. Liberal: a reset in a window
// that has just closed would be called invalid, not be turned back, and mean nothing to the
// application.
constexpr std::array<Setting, 5> kSettings = {{
    {"nf_conntrack_tcp_timeout_close_wait", 3600, 60},
    {"nf_conntrack_tcp_timeout_fin_wait", 180, 120},
    {"nf_conntrack_tcp_timeout_last_ack", 180, 30},
    {"nf_conntrack_tcp_timeout_time_wait", 180, 120},
    {"nf_conntrack_tcp_be_liberal", 1, 0},
}};

constexpr const char* kPickUp = "nf_conntrack_tcp_loose";

// Each shows the settings of the namespace that the thread is in. The second is where a container
// has the node's, because its own are read-only (docs/security.md).
constexpr std::array<const char*, 2> kFolders = {"/proc/sys/net/netfilter/",
                                                 "/host/proc-sys-net/netfilter/"};

std::optional<int> Read(const char* name) {
  const std::string path = std::string(kFolders[0]) + name;
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 32> text{};
  if (!file.valid()) return std::nullopt;
  const ssize_t size = ::read(file.get(), text.data(), text.size());
  int value = 0;
  if (size <= 0 || std::from_chars(text.data(), text.data() + size, value).ec != std::errc())
    return std::nullopt;
  return value;
}

void Write(const char* name, int value) {
  const std::string text = std::to_string(value);
  for (const char* folder : kFolders) {
    const UniqueFd file(::open((std::string(folder) + name).c_str(), O_WRONLY | O_CLOEXEC));
    if (file.valid() && ::write(file.get(), text.data(), text.size()) > 0) return;
  }
}

}  // namespace

void SetTracking() {
  for (const Setting& setting : kSettings) {
    const std::optional<int> value = Read(setting.name);
    if (value && *value < setting.ours) Write(setting.name, setting.ours);
  }
}

void RestoreTracking() {
  for (const Setting& setting : kSettings) {
    if (Read(setting.name) == setting.ours) Write(setting.name, setting.kernels);
  }
}

OnlyFromTheStart::OnlyFromTheStart() : before_(Read(kPickUp)) {
  if (before_ && *before_ != 0) Write(kPickUp, 0);
}

OnlyFromTheStart::~OnlyFromTheStart() {
  if (before_ && *before_ != 0) Write(kPickUp, *before_);
}

}  // namespace aquifer::redirect
