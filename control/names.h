// The spellings that the Kubernetes and Gateway APIs demand of names and short values. Pure
// functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "kube/names.h"

namespace aquifer::control {

using kube::IsDnsLabel;
using kube::IsDnsSubdomain;
using kube::IsLabelValue;

// A subdomain, or "*." and a subdomain (Gateway API, type Hostname); never an IP address.
bool IsHostname(std::string_view text);
bool IsWildcard(std::string_view hostname);
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
