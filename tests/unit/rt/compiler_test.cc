// Everyday shapes of co_await that some compilers got wrong (a double free or a lost argument): if
// one of these fails, the compiler is not fit to build the project. docs/decisions/0001 names which
// were seen to fail.
#include <memory>
#include <string>

#include "core/rt/task.h"
#include "tests/support/run_task.h"

namespace aquifer {
namespace {

struct Key {
  std::string name;
  std::unique_ptr<int> owned;
  int port = 0;
};

Task<std::string> TakeKey(Key key) { co_return key.name + std::to_string(*key.owned + key.port); }
Task<std::string> TakeString(std::string text) { co_return text; }
Task<std::unique_ptr<int>> MakeInt(int value) { co_return std::make_unique<int>(value); }

const std::string kLong(100, 'x');

Task<void> Shapes(bool yes) {
  Key key{kLong, std::make_unique<int>(1), 2};
  const std::string named = co_await TakeKey(std::move(key));
  CHECK(named == kLong + "3");
  const std::string braced = co_await TakeKey({kLong, std::make_unique<int>(3), 4});
  CHECK(braced == kLong + "7");
  const std::string designated =
      co_await TakeKey(Key{.name = kLong, .owned = std::make_unique<int>(5), .port = 6});
  CHECK(designated == kLong + "11");
  const std::string chosen = yes ? co_await TakeString(kLong) : std::string("no");
  CHECK(chosen == kLong);
  const std::string nested = co_await TakeString(co_await TakeString(kLong + "y"));
  CHECK(nested == kLong + "y");
  const int sum = *co_await MakeInt(1) + *co_await MakeInt(2);
  CHECK(sum == 3);
  for (int i = 0; i < 3; ++i) {
    if (const std::unique_ptr<int> made = co_await MakeInt(i); *made == 2) co_return;
  }
  CHECK(false);
}

}  // namespace

TEST_CASE("the compiler handles everyday shapes of co_await") { test::Run(Shapes(true)); }

}  // namespace aquifer
