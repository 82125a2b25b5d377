#include "node-proxy/proxy_header.h"

#include <netinet/in.h>

#include <cstring>
#include <string_view>

namespace aquifer::node {
namespace {

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr char kVersion2Proxy = 0x21;
constexpr char kUnspecified = 0x00;
constexpr char kTcp4 = 0x11;
constexpr char kTcp6 = 0x21;

void AppendNumber(std::string& out, std::size_t number) {
  out.push_back(static_cast<char>(number >> 8U));
  out.push_back(static_cast<char>(number));
}

void AppendIp(std::string& out, const Address& address) {
  sockaddr_storage storage{};
  address.ToSockaddr(storage);
  if (address.ip.is_v4()) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    out.append(reinterpret_cast<const char*>(&v4.sin_addr), sizeof v4.sin_addr);
  } else {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    out.append(reinterpret_cast<const char*>(&v6.sin6_addr), sizeof v6.sin6_addr);
  }
}

}  // namespace

std::string EncodeProxyHeader(const Address& source, const Address& destination,
                              const certs::Identity& identity) {
  const bool same_family = source.ip.is_v4() == destination.ip.is_v4();
  std::string rest;
  if (same_family) {
    AppendIp(rest, source);
    AppendIp(rest, destination);
    AppendNumber(rest, source.port);
    AppendNumber(rest, destination.port);
  }
  const std::string id = identity.ToString();  // at most certs::kMaxSpiffeIdBytes
  rest.push_back(static_cast<char>(kProxyTlvSpiffeId));
  AppendNumber(rest, id.size());
  rest += id;

  std::string header(kSignature);
  header.push_back(kVersion2Proxy);
  header.push_back(!same_family ? kUnspecified : source.ip.is_v4() ? kTcp4 : kTcp6);
  AppendNumber(header, rest.size());
  return header + rest;
}

}  // namespace aquifer::node
