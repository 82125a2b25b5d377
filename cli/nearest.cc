#include "cli/nearest.h"

#include <algorithm>
#include <vector>

namespace aquifer::cli {
namespace {

constexpr size_t kMaxWord = 64;

// Letters put in, left out, replaced, or two neighbours swapped: how many at least lead from one to
// the other (optimal string alignment).
size_t Changes(std::string_view from, std::string_view to) {
  std::vector<std::vector<size_t>> table(from.size() + 1, std::vector<size_t>(to.size() + 1));
  for (size_t i = 0; i <= from.size(); ++i) {
    for (size_t j = 0; j <= to.size(); ++j) {
      if (i == 0 || j == 0) {
        table[i][j] = i + j;
        continue;
      }
      const size_t replaced = table[i - 1][j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
      table[i][j] = std::min({replaced, table[i - 1][j] + 1, table[i][j - 1] + 1});
      if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
        table[i][j] = std::min(table[i][j], table[i - 2][j - 2] + 1);
    }
  }
  return table[from.size()][to.size()];
}

}  // namespace

std::string Nearest(std::string_view word, std::span<const std::string_view> names) {
  if (word.empty() || word.size() > kMaxWord) return "";
  std::string_view best;
  size_t fewest = word.size() / 3 + 2;
  for (const std::string_view name : names) {
    const size_t changes = Changes(word, name);
    if (changes >= fewest || changes >= name.size()) continue;
    fewest = changes;
    best = name;
  }
  return std::string(best);
}

}  // namespace aquifer::cli
