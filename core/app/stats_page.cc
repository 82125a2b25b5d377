#include "core/app/stats_page.h"

#include <optional>
#include <string_view>

#include "core/app/gzip.h"
#include "core/rt/loop.h"

namespace aquifer::app {
namespace {

// A scrape comes every few seconds at the most often: none would tell the difference.
constexpr std::chrono::seconds kOldest(1);
constexpr std::size_t kWorthPacking = 1024;

}  // namespace

std::shared_ptr<const StatsPage::Rendering> StatsPage::Get(Encoding wanted) {
  std::weak_ptr<const Rendering>& newest = newest_[static_cast<std::size_t>(wanted)];
  const TimePoint now = Loop::Current().now();
  std::shared_ptr<const Rendering> read_now = newest.lock();
  if (read_now != nullptr && now - read_now->made < kOldest) return read_now;
  std::string text = Text();
  auto made = std::make_shared<Rendering>();
  made->made = now;
  if (wanted == Encoding::kGzip && text.size() >= kWorthPacking) {
    if (std::optional<std::string> packed = Gzip(text)) {
      text = *std::move(packed);
      made->encoding = Encoding::kGzip;
    }
  }
  made->bytes = Chunk::CopyOf(text);
  newest = made;
  return made;
}

std::string StatsPage::Text() const {
  std::string text = registry_.Text();
  // Ahead of the "# EOF" that ends it.
  if (more_) text.insert(text.size() - std::string_view("# EOF\n").size(), more_());
  return text;
}

}  // namespace aquifer::app
