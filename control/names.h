// The spellings that the Kubernetes and Gateway APIs demand of names and short values. Pure
// functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace aquifer::control {

// RFC 1123 as Kubernetes reads it: lower case letters, digits and '-', at most 63 bytes.
bool IsDnsLabel(std::string_view text);
// Labels joined by dots, at most 253 bytes: the form of most object names.
bool IsDnsSubdomain(std::string_view text);
// A subdomain, or "*." and a subdomain (Gateway API, type Hostname); never an IP address.
bool IsHostname(std::string_view text);
bool IsWildcard(std::string_view hostname);
// Of a label: up to 63 bytes, letters, digits, '-', '_' and '.', alphanumeric at both ends; or
// empty.
bool IsLabelValue(std::string_view text);
// A token of RFC 9110, section 5.6.2: header names and methods.
bool IsHttpToken(std::string_view text);
// A path as an Exact or PathPrefix match may have it: it can only mean one resource.
bool IsMatchablePath(std::string_view path);

// GEP-2257: up to four numbers of up to five digits, each with h, m, s or ms. In milliseconds.
std::optional<std::uint64_t> ParseDuration(std::string_view text);
// RFC 3339 with a Z, as in metadata.creationTimestamp. Seconds since 1970.
std::optional<std::int64_t> ParseTimestamp(std::string_view text);
// The same the other way round.
std::string FormatTimestamp(std::int64_t seconds);

std::string LowerCase(std::string_view text);

}  // namespace aquifer::control
