// Durations as people write them in settings: "5m", "10s", "100ms", "1h30m". Pure, any thread.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace aquifer::app {

// A number and a unit (ns, us, ms, s, m, h, d), or several, largest first or not; nothing else,
// nothing negative, at most ten years.
std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text);

}  // namespace aquifer::app
