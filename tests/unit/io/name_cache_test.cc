#include "core/io/name_cache.h"

#include <map>
#include <string>
#include <tuple>

#include "core/rt/timer.h"
#include "tests/support/catch.h"
#include "tests/support/run_task.h"

namespace aquifer::io {
namespace {

// A resolver that answers when the test lets it.
struct Resolver {
  NameCache::Lookup lookup() {
    return
        [this](std::string host, StopToken stop) { return Answer(*this, std::move(host), stop); };
  }
  static Task<Result<NameCache::Addresses>> Answer(Resolver& resolver, std::string host,
                                                   StopToken stop) {
    ++resolver.asked[host];
    const Status waited = co_await resolver.open.Wait(stop);
    if (!waited) co_return waited.error();
    if (!resolver.knows) co_return Error{Reason::kNotFound};
    co_return NameCache::Addresses{Ip::V4(10, 0, 0, 1)};
  }

  std::map<std::string, int> asked;
  Event open;
  bool knows = true;
};

struct Asking {
  static Task<void> Ask(NameCache& cache, std::string host, StopToken stop,
                        std::vector<std::string>& said) {
    const Result<NameCache::Addresses> found = co_await cache.Find(std::move(host), stop);
    said.push_back(found.ok() ? found->front().ToString()
                              : std::string(ReasonWord(found.error().reason)));
  }
};

Task<std::string> Find(NameCache& cache, std::string host) {
  std::vector<std::string> said;
  co_await Asking::Ask(cache, std::move(host), StopToken(), said);
  co_return said.front();
}

// Time stands still while anything can run.
Task<void> Settle() {
  const Status slept = co_await SleepFor(std::chrono::milliseconds(1), StopToken());
  CHECK(slept.ok());
}

Task<void> Remembers() {
  Resolver resolver;
  resolver.open.Set();
  NameCache cache(NameCacheOptions{}, resolver.lookup());
  CHECK(co_await Find(cache, "web.example") == "10.0.0.1");
  CHECK(co_await Find(cache, "WEB.example.") == "10.0.0.1");
  CHECK(resolver.asked == std::map<std::string, int>{{"web.example", 1}});
  resolver.knows = false;
  CHECK(co_await Find(cache, "gone.example") == "not_found");
  CHECK(co_await Find(cache, "gone.example") == "not_found");
  CHECK(resolver.asked["gone.example"] == 1);
  co_await cache.End();
}

TEST_CASE("a name is looked up once, found or not, and remembered") {
  aquifer::test::RunVirtual(Remembers());
}

Task<void> Forgets() {
  Resolver resolver;
  resolver.open.Set();
  const NameCacheOptions options;
  NameCache cache(options, resolver.lookup());
  CHECK(co_await Find(cache, "web.example") == "10.0.0.1");
  resolver.knows = false;
  Status slept = co_await SleepFor(options.keep - std::chrono::milliseconds(1), StopToken());
  CHECK(co_await Find(cache, "web.example") == "10.0.0.1");
  slept = co_await SleepFor(std::chrono::milliseconds(1), StopToken());
  CHECK(co_await Find(cache, "web.example") == "not_found");
  slept = co_await SleepFor(options.keep_failure, StopToken());
  resolver.knows = true;
  CHECK(co_await Find(cache, "web.example") == "10.0.0.1");
  CHECK(resolver.asked["web.example"] == 3);
  co_await cache.End();
}

TEST_CASE("an answer that is too old is not used") { aquifer::test::RunVirtual(Forgets()); }

Task<void> NoLookup() {
  Resolver resolver;
  NameCache cache(NameCacheOptions{}, resolver.lookup());
  CHECK(co_await Find(cache, "10.0.0.9") == "10.0.0.9");
  CHECK(co_await Find(cache, "") == "not_found");
  CHECK(co_await Find(cache, ".") == "not_found");
  CHECK(co_await Find(cache, std::string("a\0b", 3)) == "not_found");
  CHECK(co_await Find(cache, std::string(254, 'a')) == "not_found");
  CHECK(resolver.asked.empty());
  co_await cache.End();
}

TEST_CASE("an address is itself, and what can be no name is not looked up") {
  aquifer::test::RunVirtual(NoLookup());
}

Task<void> Shares() {
  Resolver resolver;
  NameCache cache(NameCacheOptions{}, resolver.lookup());
  std::vector<std::string> said;
  StopSource gives_up;
  Scope asking;
  asking.Spawn(Asking::Ask(cache, "web.example", gives_up.token(), said));
  asking.Spawn(Asking::Ask(cache, "web.example", StopToken(), said));
  co_await Settle();
  gives_up.RequestStop(Reason::kTimeout);
  co_await Settle();
  CHECK(said == std::vector<std::string>{"timeout"});
  resolver.open.Set();
  co_await asking.Join();
  CHECK(said == std::vector<std::string>{"timeout", "10.0.0.1"});
  CHECK(resolver.asked["web.example"] == 1);
  co_await cache.End();
}

TEST_CASE("those who ask for one name share the look-up, and who gives up does not end it") {
  aquifer::test::RunVirtual(Shares());
}

Task<void> Bounded() {
  Resolver resolver;
  NameCacheOptions options;
  options.max_names = 2;
  options.max_lookups = 1;
  options.max_waiting = 1;
  NameCache cache(options, resolver.lookup());
  std::vector<std::string> said;
  Scope asking;
  for (const char* name : {"a", "b", "c"})
    asking.Spawn(Asking::Ask(cache, name, StopToken(), said));
  co_await Settle();
  CHECK(said == std::vector<std::string>{"overload"});
  CHECK(resolver.asked == std::map<std::string, int>{{"a", 1}});
  resolver.open.Set();
  co_await asking.Join();
  CHECK(resolver.asked == std::map<std::string, int>{{"a", 1}, {"b", 1}});
  for (const char* name : {"d", "e", "f"}) CHECK(co_await Find(cache, name) == "10.0.0.1");
  CHECK(cache.names() == 2);
  co_await cache.End();
}

TEST_CASE("names, look-ups and those who wait for one are bounded") {
  aquifer::test::RunVirtual(Bounded());
}

}  // namespace
}  // namespace aquifer::io
