#include "waypoint/sniff.h"

#include <algorithm>
#include <array>

namespace aquifer::waypoint {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::array<std::string_view, 9> kMethods = {
    "GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "OPTIONS ", "PATCH ", "TRACE ", "CONNECT "};

// Whether one begins with the other.
bool Agree(std::string_view a, std::string_view b) {
  const size_t size = std::min(a.size(), b.size());
  return a.substr(0, size) == b.substr(0, size);
}

}  // namespace

Sniffed Sniff(std::string_view first) {
  if (first.empty()) return Sniffed::kNeedMore;
  if (Agree(first, kPreface)) {
    return first.size() < kPreface.size() ? Sniffed::kNeedMore : Sniffed::kHttp2;
  }
  for (const std::string_view method : kMethods) {
    if (!Agree(first, method)) continue;
    if (first.size() <= method.size()) return Sniffed::kNeedMore;
    const char next = first[method.size()];  // of the target
    return next > 0x20 && next < 0x7f ? Sniffed::kHttp1 : Sniffed::kOther;
  }
  return Sniffed::kOther;
}

}  // namespace aquifer::waypoint
