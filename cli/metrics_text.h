// One number out of the text in which a program of ours, or another, tells its metrics
// (Prometheus' text format). Pure; any thread.
#pragma once

#include <optional>
#include <string_view>

namespace aquifer::cli {

// The value of the first sample of `name`, whatever its labels; empty if there is none, or it is no
// finite number.
std::optional<double> ReadSample(std::string_view text, std::string_view name);

}  // namespace aquifer::cli
