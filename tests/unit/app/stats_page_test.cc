#include "core/app/stats_page.h"

#include <string>
#include <tuple>

#include "core/rt/timer.h"
#include "tests/support/run_task.h"

namespace aquifer::app {
namespace {

using Encoding = StatsPage::Encoding;
using std::chrono::milliseconds;

// A page whose text says how often it was made.
struct Counted {
  explicit Counted(std::size_t bytes = 0)
      : page(registry, [this, bytes] {
          return "# made " + std::to_string(++made) + "\n" + std::string(bytes, '#') + "\n";
        }) {}
  std::string Text(Encoding encoding = Encoding::kPlain) {
    return std::string(page.Get(encoding)->bytes.text());
  }

  int made = 0;
  obs::Registry registry;
  StatsPage page;
};

Task<void> SharesWhatIsRead() {
  Counted counted;
  const auto first = counted.page.Get(Encoding::kPlain);
  CHECK(first->bytes.text().ends_with("# EOF\n"));
  std::ignore = co_await SleepFor(milliseconds(999), StopToken());
  CHECK(counted.page.Get(Encoding::kPlain) == first);
  CHECK(counted.made == 1);
  std::ignore = co_await SleepFor(milliseconds(1), StopToken());
  const auto second = counted.page.Get(Encoding::kPlain);
  CHECK(second != first);
  CHECK(counted.page.Get(Encoding::kPlain) == second);
  CHECK(counted.made == 2);
}

TEST_CASE("who asks for metrics while others read them gets the same, if it is not too old") {
  test::RunVirtual(SharesWhatIsRead());
}

Task<void> KeepsNothing() {
  Counted counted;
  std::weak_ptr<const StatsPage::Rendering> rendering = counted.page.Get(Encoding::kPlain);
  CHECK(rendering.expired());
  CHECK(counted.Text().starts_with("# made 2\n"));
  CHECK(counted.Text().starts_with("# made 3\n"));
  co_return;
}

TEST_CASE("metrics that nobody reads are not kept, and the next ones are of now") {
  test::RunVirtual(KeepsNothing());
}

Task<void> Encodes() {
  Counted large(10'000);
  const auto plain = large.page.Get(Encoding::kPlain);
  const auto packed = large.page.Get(Encoding::kGzip);
  CHECK(plain->encoding == Encoding::kPlain);
  CHECK(packed->encoding == Encoding::kGzip);
  CHECK(packed->bytes.size() < plain->bytes.size() / 10);
  CHECK(large.page.Get(Encoding::kPlain) == plain);
  CHECK(large.page.Get(Encoding::kGzip) == packed);
  CHECK(large.made == 2);
  Counted small;
  CHECK(small.page.Get(Encoding::kGzip)->encoding == Encoding::kPlain);
  co_return;
}

TEST_CASE("metrics that are packed are shared for themselves, and a small page is not packed") {
  test::RunVirtual(Encodes());
}

}  // namespace
}  // namespace aquifer::app
