// Which protocol a client speaks, by its first bytes: for ports whose protocol nobody declared.
// Pure, any thread.
#pragma once

#include <string_view>

namespace aquifer::waypoint {

enum class Sniffed {
  kNeedMore,
  kHttp1,
  kHttp2,  // the connection preface of RFC 9113 section 3.4
  kOther,
};

// A method that is registered, a blank, and no byte that cannot stand in a request line.
Sniffed Sniff(std::string_view first);

}  // namespace aquifer::waypoint
