#include "mesh/names.h"

namespace aquifer::mesh {

std::optional<std::pair<std::string_view, std::string_view>> NamespacedHostname::Split(
    std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos || slash + 1 == text.size()) return std::nullopt;
  // Neither namespaces nor host names have slashes, but uids of workloads do: never confuse them.
  if (text.find('/', slash + 1) != std::string_view::npos) return std::nullopt;
  return std::pair(text.substr(0, slash), text.substr(slash + 1));
}

std::optional<NamespacedHostname> NamespacedHostname::Parse(std::string_view text) {
  const auto parts = Split(text);
  if (!parts) return std::nullopt;
  return NamespacedHostname{parts->first, parts->second};
}

std::optional<NetworkAddress> NetworkAddress::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::optional<Ip> ip = Ip::Parse(text.substr(slash + 1));
  if (!ip) return std::nullopt;
  return NetworkAddress{std::string(text.substr(0, slash)), *ip};
}

std::optional<NetworkCidr> NetworkCidr::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::optional<Cidr> cidr = Cidr::Parse(text.substr(slash + 1));
  if (!cidr) return std::nullopt;
  return NetworkCidr{std::string(text.substr(0, slash)), *cidr};
}

}  // namespace aquifer::mesh
