// What the readers of outside descriptions of the mesh share (messages, the local file): the bounds
// on names and lists, and refusals that carry the path of the field they are about. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/result.h"
#include "mesh/text.h"

namespace aquifer::mesh {

// Far above what a cluster has, far below what would hurt: one hostile resource costs kilobytes.
inline constexpr size_t kMaxNameBytes = 1024;  // any name; Kubernetes allows 253
inline constexpr size_t kMaxAddresses = 1024;  // of one workload or service
inline constexpr size_t kMaxPorts = 4096;      // of one service, or of a workload in it
inline constexpr size_t kMaxServices = 4096;   // that one workload is an endpoint of
inline constexpr size_t kMaxSubjectAltNames = 1024;
inline constexpr size_t kMaxPreferences = 16;
inline constexpr size_t kMaxWaypoints = 64;           // that one service divides its traffic among
inline constexpr size_t kMaxAttachedPolicies = 4096;  // to one workload by selector
inline constexpr size_t kMaxPolicyElements = 1
                                             << 17;  // rules, clauses, matches and values together

// `refusal` seen from one level up: "waypoint" + "address" gives "waypoint.address".
inline Refusal Within(std::string_view parent, Refusal refusal) {
  std::string path(parent);
  if (!refusal.field.empty() && refusal.field.front() != '[') path += '.';
  refusal.field = path + refusal.field;
  return refusal;
}

template <class T>
Decoded<T> In(std::string_view field, Decoded<T> decoded) {
  if (decoded.ok()) return decoded;
  return Within(field, decoded.error());
}

template <class T>
Decoded<T> In(std::string_view field, size_t index, Decoded<T> decoded) {
  if (decoded.ok()) return decoded;
  return Within(std::string(field) + "[" + std::to_string(index) + "]", decoded.error());
}

// Names go into logs, labels and headers: no control characters, nothing endless.
Result<void, Refusal> CheckName(std::string_view field, std::string_view value);
// The same, and `value` itself.
Decoded<std::string> Name(std::string_view field, std::string_view value);
// The same, and it may not be empty.
Decoded<std::string> MandatoryName(std::string_view field, std::string_view value);
// The same as a Text that others hold, too.
Decoded<Text> SharedName(Texts& texts, std::string_view field, std::string_view value);
// An IP port of 0 to 65535; 0 has a meaning of its own in most fields.
Decoded<std::uint16_t> PortNumber(std::string_view field, std::uint64_t value);

inline std::optional<Refusal> TooMany(std::string_view field, size_t count, size_t bound) {
  if (count <= bound) return std::nullopt;
  return Refusal{std::string(field),
                 std::to_string(count) + " entries, more than " + std::to_string(bound)};
}

}  // namespace aquifer::mesh
