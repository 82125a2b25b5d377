// What somebody may have meant who mistyped a name. Pure; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace aquifer::cli {

// The name that is the fewest changes away from `word`, as far as it is still alike; else "".
std::string Nearest(std::string_view word, std::span<const std::string_view> names);

}  // namespace aquifer::cli
