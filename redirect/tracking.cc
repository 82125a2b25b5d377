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
  const char* path;
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
    {"/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait", 3600, 60},
    {"/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_fin_wait", 180, 120},
    {"/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_last_ack", 180, 30},
    {"/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait", 180, 120},
    {"/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal", 1, 0},
}};

std::optional<int> Read(const char* path) {
  const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
  std::array<char, 32> text{};
  if (!file.valid()) return std::nullopt;
  const ssize_t size = ::read(file.get(), text.data(), text.size());
  int value = 0;
  if (size <= 0 || std::from_chars(text.data(), text.data() + size, value).ec != std::errc())
    return std::nullopt;
  return value;
}

void Write(const char* path, int value) {
  const UniqueFd file(::open(path, O_WRONLY | O_CLOEXEC));
  const std::string text = std::to_string(value);
  if (file.valid()) static_cast<void>(::write(file.get(), text.data(), text.size()));
}

}  // namespace

void SetTracking() {
  for (const Setting& setting : kSettings) {
    const std::optional<int> value = Read(setting.path);
    if (value && *value < setting.ours) Write(setting.path, setting.ours);
  }
}

void RestoreTracking() {
  for (const Setting& setting : kSettings) {
    if (Read(setting.path) == setting.ours) Write(setting.path, setting.kernels);
  }
}

}  // namespace aquifer::redirect
