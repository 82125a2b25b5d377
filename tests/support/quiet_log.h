// Loggers that a test needs and does not read.
#pragma once

#include "core/obs/log.h"

namespace aquifer::test {

inline obs::LoggerOptions QuietLog() {
  obs::LoggerOptions options;
  options.writer.fd = -1;
  return options;
}

// Where it does not matter whose it is.
inline obs::Logger& SharedQuietLog() {
  static obs::Logger log(QuietLog());
  return log;
}

}  // namespace aquifer::test
