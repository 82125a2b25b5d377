#include "core/app/setting_values.h"

#include <algorithm>
#include <thread>

#include "core/app/duration.h"
#include "core/base/address.h"

namespace aquifer::app {
namespace {

Refusal Wrong(const char* why) { return {"", why}; }

}  // namespace

Decoded<bool> ReadBool(const std::string& text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return Wrong("is neither true nor false");
}

Decoded<std::chrono::milliseconds> ReadDuration(const std::string& text) {
  const std::optional<std::chrono::milliseconds> duration = ParseDuration(text);
  if (!duration || duration->count() == 0) return Wrong("is not a duration such as 5m or 100ms");
  return *duration;
}

Decoded<std::string> ReadServerAddress(const std::string& text) {
  constexpr std::string_view kScheme = "https://";
  std::string_view address = text;
  if (address.starts_with("http://")) return Wrong("must be https");
  if (address.starts_with(kScheme)) address.remove_prefix(kScheme.size());
  if (address.empty()) return std::string();
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || !ParsePort(address.substr(colon + 1)))
    return Wrong("is not host:port");
  return std::string(address);
}

Decoded<std::string> ReadIp(const std::string& text) {
  if (!Ip::Parse(text)) return Wrong("is not an IP address");
  return text;
}

Decoded<unsigned> ReadThreads(const std::string& text) {
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  if (text.ends_with('%')) {
    const std::string_view number = std::string_view(text).substr(0, text.size() - 1);
    const Decoded<unsigned> percent = ReadNumber<unsigned>(number, 1, 100);
    if (!percent) return Wrong("is not a percentage from 1% to 100%");
    return std::max(1U, cores * *percent / 100);
  }
  const Decoded<unsigned> number = ReadNumber<unsigned>(text, 0, 1024);
  if (!number) return Wrong("is neither a number of threads nor a percentage of cores");
  return *number == 0 ? cores : *number;
}

Decoded<std::chrono::milliseconds> ReadGracePeriod(const std::string& text) {
  const Decoded<unsigned> grace = ReadNumber<unsigned>(text, 1, 86'400);
  if (!grace) return Wrong("is not a number of seconds");
  const unsigned deadline = *grace > 10 ? *grace - 5 : std::max(1U, *grace - 1);
  return std::chrono::milliseconds(std::chrono::seconds(deadline));
}

Decoded<obs::LogFormat> ReadLogFormat(const std::string& text) {
  return text == "json" ? obs::LogFormat::kJson : obs::LogFormat::kText;
}

Decoded<obs::LevelFilter> ReadLogLevels(const std::string& text) {
  return obs::LevelFilter::Parse(text);
}

Decoded<std::optional<BackendKind>> ReadIoBackend(const std::string& text) {
  if (text == "auto") return std::optional<BackendKind>();
  for (const BackendKind kind : {BackendKind::kIoUring, BackendKind::kEpoll}) {
    if (text == BackendName(kind)) return std::optional<BackendKind>(kind);
  }
  return Refusal{"", "is none of auto, io_uring and epoll"};
}

}  // namespace aquifer::app
