#include "cli/metrics_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace aquifer::cli {
namespace {

// Behind the labels, if there are any. A '}' in a label's value is quoted, and quotes in it are
// escaped.
std::string_view AfterLabels(std::string_view rest) {
  if (!rest.starts_with('{')) return rest;
  bool quoted = false;
  for (size_t i = 1; i < rest.size(); ++i) {
    if (quoted && rest[i] == '\\') {
      ++i;
    } else if (rest[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && rest[i] == '}') {
      return rest.substr(i + 1);
    }
  }
  return {};
}

std::optional<double> ReadValue(std::string_view rest) {
  if (!rest.starts_with(' ')) return std::nullopt;
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  double value = 0;
  const auto read = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (read.ec != std::errc() || !std::isfinite(value)) return std::nullopt;
  return value;
}

}  // namespace

std::optional<double> ReadSample(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.starts_with(name)) continue;
    const std::string_view rest = line.substr(name.size());
    if (!rest.starts_with(' ') && !rest.starts_with('{')) continue;
    return ReadValue(AfterLabels(rest));
  }
  return std::nullopt;
}

}  // namespace aquifer::cli
