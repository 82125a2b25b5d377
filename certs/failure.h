// An error with words for the operator's log. Made on cold paths only: handshakes, requests to the
// CA. Values, any thread.
#pragma once

#include <string>

#include "core/base/result.h"

namespace aquifer::certs {

struct Failure {
  Error error;
  std::string detail;  // bounded by whoever makes it

  operator Error() const { return error; }  // NOLINT: callers that log nothing pass on the error
};

}  // namespace aquifer::certs
