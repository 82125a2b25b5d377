#include "waypoint/client_address.h"

#include <optional>

namespace aquifer::waypoint {
namespace {

// The entry with `skip` others to its right, over all lines of the header.
std::optional<Ip> EntryFromRight(const http::HeaderList& headers, std::uint32_t skip) {
  const std::optional<std::string> joined = headers.GetJoined("x-forwarded-for");
  if (!joined) return std::nullopt;
  std::string_view rest = *joined;
  for (; skip > 0; --skip) {
    const size_t comma = rest.rfind(',');
    if (comma == std::string_view::npos) return std::nullopt;
    rest = rest.substr(0, comma);
  }
  const size_t comma = rest.rfind(',');
  if (comma != std::string_view::npos) rest.remove_prefix(comma + 1);
  rest = http::TrimBlanks(rest);
  if (std::optional<Ip> ip = Ip::Parse(rest)) return ip;
  const std::optional<Address> address = Address::Parse(rest);
  return address ? std::optional<Ip>(address->ip) : std::nullopt;
}

}  // namespace

Ip RemoteAddress(const http::HeaderList& headers, const Ip& peer, Edge edge,
                 std::uint32_t num_trusted_proxies) {
  if (edge == Edge::kGateway) {
    if (num_trusted_proxies == 0) return peer;
    return EntryFromRight(headers, num_trusted_proxies - 1).value_or(peer);
  }
  return EntryFromRight(headers, num_trusted_proxies).value_or(peer);
}

}  // namespace aquifer::waypoint
