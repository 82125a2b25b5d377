// How the values of settings are read: a word, a number, a duration, host:port, log levels. Each
// reader takes the text and gives the value or what is wrong with it; Into() makes a row of a table
// (core/app/settings.h) of a member and its reader. Pure, any thread.
#pragma once

#include <charconv>
#include <chrono>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>

#include "core/app/settings.h"
#include "core/base/result.h"
#include "core/obs/level_filter.h"
#include "core/obs/log_format.h"
#include "core/rt/backend.h"

namespace aquifer::app {

Decoded<bool> ReadBool(const std::string& text);
// Longer than nothing.
Decoded<std::chrono::milliseconds> ReadDuration(const std::string& text);
// host:port, perhaps written as an https URL; empty is none.
Decoded<std::string> ReadServerAddress(const std::string& text);
Decoded<std::string> ReadIp(const std::string& text);
// A number of threads, 0 for one a core, or a percentage of the cores, such as 50%.
Decoded<unsigned> ReadThreads(const std::string& text);
// From Kubernetes' terminationGracePeriodSeconds: some of it is left for the process to end by
// itself before it is ended.
Decoded<std::chrono::milliseconds> ReadGracePeriod(const std::string& text);
// "json"; anything else is text, as for Istio's node proxy.
Decoded<obs::LogFormat> ReadLogFormat(const std::string& text);
Decoded<obs::LevelFilter> ReadLogLevels(const std::string& text);
// io_uring, epoll, or auto for none in particular.
Decoded<std::optional<BackendKind>> ReadIoBackend(const std::string& text);

template <std::integral T>
Decoded<T> ReadNumber(std::string_view text, T least, T most) {
  T number{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem == std::errc() && end == text.data() + text.size() && number >= least &&
      number <= most) {
    return number;
  }
  return Refusal{"",
                 "is not a number from " + std::to_string(least) + " to " + std::to_string(most)};
}

// The value that `read` gives goes into `member`, which may be one of the config's base.
template <class T, class Owner, class Read>
auto Into(T Owner::* member, Read read) {
  return [member, read](auto& config, const std::string& text) -> Result<void, Refusal> {
    AQ_TRY(config.*member, read(text));
    return {};
  };
}

template <class Owner>
auto Text(std::string Owner::* member) {
  return [member](auto& config, const std::string& text) -> Result<void, Refusal> {
    config.*member = text;
    return {};
  };
}

// A text for which `holds`; `why` is said of others.
template <class Owner, class Holds>
auto TextThat(std::string Owner::* member, Holds holds, const char* why) {
  return [=](auto& config, const std::string& text) -> Result<void, Refusal> {
    if (!holds(text)) return Refusal{"", why};
    config.*member = text;
    return {};
  };
}

template <std::integral T, class Owner>
auto Number(T Owner::* member, T least, T most) {
  return Into(member, [=](const std::string& text) { return ReadNumber<T>(text, least, most); });
}

template <class Owner>
auto Port(std::uint16_t Owner::* member) {
  return Number<std::uint16_t>(member, 1, 65'535);
}

// Of Istio's node proxy, and only its default is here: another value is an error and no silent
// difference.
inline auto Only(std::string_view accepted) {
  return [accepted](auto&, const std::string& text) -> Result<void, Refusal> {
    if (text == accepted) return {};
    return Refusal{"", "only " + std::string(accepted) + " is supported"};
  };
}

}  // namespace aquifer::app
