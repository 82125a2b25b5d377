// The server name that a TLS client asks for, out of the first bytes that it sends (RFC 8446
// sections 4.1.2 and 5.1, RFC 6066 section 3). Nothing is decrypted and nothing is answered: what
// is behind us speaks TLS with the client. Pure, any thread.
#pragma once

#include <string>

#include "core/base/bytes.h"

namespace aquifer::waypoint {

// So many bytes are enough for every ClientHello that is taken.
inline constexpr std::size_t kMaxHelloBytes = 17 * 1024;

struct ClientHello {
  enum class State : std::uint8_t {
    kIncomplete,
    kComplete,
    kRefused,  // no ClientHello, or too large a one
  };
  State state = State::kRefused;
  std::string server_name;  // lower case; empty: none was named
};

// `bytes` are all that has come so far.
ClientHello ReadClientHello(Bytes bytes);

}  // namespace aquifer::waypoint
