#include "waypoint/deadlines.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace aquifer::waypoint {
namespace {

using std::chrono::milliseconds;

// What a client may ask for in hours is longer than a clock that counts nanoseconds.
constexpr milliseconds kLongest = std::chrono::days(7);

// grpc-timeout of the gRPC protocol: at most eight digits and a unit.
std::optional<milliseconds> GrpcTimeout(const http::HeaderList& headers) {
  const std::optional<std::string_view> value = headers.Get("grpc-timeout");
  if (!value || value->size() < 2 || value->size() > 9) return std::nullopt;
  std::uint64_t count = 0;
  const char* const unit = value->data() + value->size() - 1;
  if (std::from_chars(value->data(), unit, count).ptr != unit) return std::nullopt;
  switch (*unit) {
    case 'H':
      return milliseconds(count * 3'600'000);
    case 'M':
      return milliseconds(count * 60'000);
    case 'S':
      return milliseconds(count * 1000);
    case 'm':
      return milliseconds(std::max<std::uint64_t>(count, 1));
    case 'u':
      return milliseconds(std::max<std::uint64_t>(count / 1000, 1));
    case 'n':
      return milliseconds(std::max<std::uint64_t>(count / 1'000'000, 1));
    default:
      return std::nullopt;
  }
}

}  // namespace

Deadlines DeadlinesOf(const RouteRule* rule, const http::HeaderList& headers, bool grpc) {
  Deadlines deadlines;
  if (rule != nullptr) {
    deadlines.whole = rule->request_timeout;
    deadlines.each = rule->backend_request_timeout;
    if (rule->retry) deadlines.tries = 1 + rule->retry->attempts;
  }
  const std::optional<milliseconds> wanted = grpc ? GrpcTimeout(headers) : std::nullopt;
  if (wanted && (deadlines.whole.count() == 0 || *wanted < deadlines.whole)) {
    deadlines.whole = std::min(*wanted, kLongest);
  }
  return deadlines;
}

}  // namespace aquifer::waypoint
