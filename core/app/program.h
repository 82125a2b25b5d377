// What every program of ours answers alike on its command line: the words version and help, and
// how it complains before there is a log. main() makes one. Values, one thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace aquifer::app {

// Exit statuses. Misuse is what the caller can mend: a flag, a word, a setting.
inline constexpr int kExitFailed = 1;
inline constexpr int kExitMisuse = 2;

struct Program {
  std::string_view name;  // as it is called
  std::string_view help;

  // The exit status after "version" or "help", however they are written; nothing for other words.
  std::optional<int> Answer(std::string_view word) const;

  // These tell on standard error what is wrong and return the exit status.
  int Failed(const std::string& why) const;
  int Misused(const std::string& why) const;
  // A setting or flag that the refusal names.
  int Refused(const Refusal& setting) const;
};

}  // namespace aquifer::app
