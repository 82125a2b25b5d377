// Gzip of a whole text in memory, for answers that are large and compress well. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace aquifer::app {

// Empty when there is no memory for it.
std::optional<std::string> Gzip(std::string_view text);

// Whether an Accept-Encoding field takes gzip: named, or by "*", and not with a weight of nothing.
bool AcceptsGzip(std::string_view accept_encoding);

}  // namespace aquifer::app
