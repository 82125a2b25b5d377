#include "core/app/duration.h"

#include <array>
#include <charconv>

namespace aquifer::app {
namespace {

struct Unit {
  std::string_view name;
  double milliseconds;
};
// Longer names first: "ms" must not be read as minutes and an s.
constexpr std::array<Unit, 7> kUnits = {{{"ns", 1e-6},
                                         {"us", 1e-3},
                                         {"ms", 1},
                                         {"s", 1000},
                                         {"m", 60'000},
                                         {"h", 3'600'000},
                                         {"d", 86'400'000}}};
constexpr double kLongest = 10.0 * 365 * 86'400'000;

}  // namespace

std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    unsigned long long number = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (problem != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const Unit* found = nullptr;
    for (const Unit& unit : kUnits) {
      if (found == nullptr && text.starts_with(unit.name)) found = &unit;
    }
    if (found == nullptr) return std::nullopt;
    text.remove_prefix(found->name.size());
    total += static_cast<double>(number) * found->milliseconds;
    if (total > kLongest) return std::nullopt;
  }
  return std::chrono::milliseconds(static_cast<long long>(total));
}

}  // namespace aquifer::app
