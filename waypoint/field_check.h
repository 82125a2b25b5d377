// Bounds and syntax that the decoders of configuration share. Pure, any thread.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"

namespace aquifer::waypoint {

inline constexpr int kMaxTextBytes = 4096;

// "rules", 2 -> "rules[2]".
std::string At(std::string_view field, int index);

using Check = Result<void, Refusal>;

Check CheckCount(int count, int max, const std::string& field);
// Bounded and without control characters: what may end up in a log line or a header.
Check CheckText(std::string_view text, const std::string& field);
// The name of a Kubernetes object or namespace; also of a service account.
Check CheckName(std::string_view text, const std::string& field);
// A host name, perhaps with a wildcard as first label; in either case. Not an IP address with port.
Check CheckHostname(std::string_view text, const std::string& field);
Check CheckHeaderName(std::string_view text, const std::string& field);

std::string LowerCase(std::string_view text);

}  // namespace aquifer::waypoint
