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

// After the first FIN and its ACK the kernel's tracking calls a connection CLOSE_WAIT, at both
// ends.
constexpr const char* kSetting = "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait";
constexpr int kOurSeconds = 3600;
constexpr int kKernelSeconds = 60;

std::optional<int> Read() {
  const UniqueFd file(::open(kSetting, O_RDONLY | O_CLOEXEC));
  std::array<char, 32> text{};
  if (!file.valid()) return std::nullopt;
  const ssize_t size = ::read(file.get(), text.data(), text.size());
  int seconds = 0;
  if (size <= 0 || std::from_chars(text.data(), text.data() + size, seconds).ec != std::errc())
    return std::nullopt;
  return seconds;
}

void Write(int seconds) {
  const UniqueFd file(::open(kSetting, O_WRONLY | O_CLOEXEC));
  const std::string text = std::to_string(seconds);
  if (file.valid()) static_cast<void>(::write(file.get(), text.data(), text.size()));
}

}  // namespace

void KeepHalfClosed() {
  const std::optional<int> seconds = Read();
  if (seconds && *seconds < kOurSeconds) Write(kOurSeconds);
}

void RestoreHalfClosed() {
  const std::optional<int> seconds = Read();
  if (seconds == kOurSeconds) Write(kKernelSeconds);
}

}  // namespace aquifer::redirect
