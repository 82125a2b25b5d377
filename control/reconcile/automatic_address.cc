#include "control/reconcile/automatic_address.h"

#include <array>
#include <cstdint>
#include <span>

#include "control/names.h"

namespace aquifer::control {
namespace {

constexpr std::uint32_t kPlaces = 0xfffe;  // without the network's own and the broadcast address

// FNV-1a, which stays the same over restarts and builds.
std::uint32_t HashOf(std::string_view name) {
  std::uint32_t hash = 2166136261u;
  for (const char c : name) hash = (hash ^ static_cast<std::uint8_t>(c)) * 16777619u;
  return hash;
}

Ip V4At(std::uint32_t place) {
  return Ip::V4(240, 240, static_cast<std::uint8_t>(place >> 8),
                static_cast<std::uint8_t>(place & 0xff));
}

Ip V6At(std::uint32_t place) {
  std::array<std::uint8_t, 16> bytes{0x20, 0x01, 0x00, 0x02};
  bytes[14] = static_cast<std::uint8_t>(place >> 8);
  bytes[15] = static_cast<std::uint8_t>(place & 0xff);
  return *Ip::FromBytes(std::span<const std::uint8_t>(bytes));
}

}  // namespace

bool WantsAddress(const ServiceEntry& entry, const std::string& host) {
  return entry.addresses.empty() && entry.resolution != ServiceEntry::Resolution::kNone &&
         !IsWildcard(host) &&
         LabelOf(entry.meta.labels, "networking.istio.io/enable-autoallocate-ip") != "false";
}

std::vector<Ip> AutomaticAddresses::Choose(std::string_view name) {
  const std::uint32_t first = HashOf(name) % kPlaces;
  for (std::uint32_t i = 0; i < kPlaces; ++i) {
    const std::uint32_t place = (first + i) % kPlaces + 1;
    const Ip v4 = V4At(place);
    const Ip v6 = V6At(place);
    if (taken_.contains(v4) || taken_.contains(v6)) continue;
    taken_.insert(v4);
    taken_.insert(v6);
    return {v4, v6};
  }
  return {};
}

}  // namespace aquifer::control
