#include "core/io/name_cache.h"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>

#include "core/rt/timer.h"
#include "tests/support/catch.h"
#include "tests/support/run_task.h"

namespace aquifer::io {
namespace {

// A resolver that answers when the test lets it; what begins with "good" at once.
struct Resolver {
  NameCache::Lookup lookup() {
    return
        [this](std::string host, StopToken stop) { return Answer(*this, std::move(host), stop); };
  }
  static Task<Result<NameCache::Addresses>> Answer(Resolver& resolver, std::string host,
                                                   StopToken stop) {
    ++resolver.asked[host];
    if (host.starts_with("good")) co_return NameCache::Addresses{Ip::V4(10, 0, 0, 2)};
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
                        std::vector<std::string>& said, std::string asker = "pod") {
    const Result<NameCache::Addresses> found =
        co_await cache.Find(std::move(host), std::move(asker), stop);
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

Task<void> PartsOfAskers() {
  Resolver resolver;
  NameCacheOptions options;
  options.max_lookups = 3;
  options.max_waiting = 3;
  NameCache cache(options, resolver.lookup());
  std::vector<std::string> said;
  std::vector<std::string> other;
  Scope asking;
  for (const char* name : {"a", "b", "c", "d", "e"})
    asking.Spawn(Asking::Ask(cache, name, StopToken(), said));
  co_await Settle();
  // Two are looked up, two wait, and there is room for others.
  CHECK(said == std::vector<std::string>{"overload"});
  co_await Asking::Ask(cache, "good", StopToken(), other, "other");
  CHECK(other == std::vector<std::string>{"10.0.0.2"});
  asking.Spawn(Asking::Ask(cache, "f", StopToken(), other, "other"));
  asking.Spawn(Asking::Ask(cache, "good2", StopToken(), other, "other"));
  co_await Settle();
  CHECK(resolver.asked == std::map<std::string, int>{{"a", 1}, {"b", 1}, {"f", 1}, {"good", 1}});
  CHECK(other.size() == 1);
  // A place that gets free is theirs who have fewer.
  resolver.open.Set();
  co_await asking.Join();
  CHECK(said ==
        std::vector<std::string>{"overload", "10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1"});
  std::sort(other.begin(), other.end());
  CHECK(other == std::vector<std::string>{"10.0.0.1", "10.0.0.2", "10.0.0.2"});
  co_await cache.End();
}

TEST_CASE("names that nobody answers for delay who asks for them, and no other pod") {
  aquifer::test::RunVirtual(PartsOfAskers());
}

Task<void> EndsLookups() {
  Resolver resolver;
  NameCache cache(NameCacheOptions{}, resolver.lookup());
  std::vector<std::string> said;
  Scope asking;
  asking.Spawn(Asking::Ask(cache, "a", StopToken(), said));
  co_await Settle();
  const TimePoint before = Loop::Current().now();
  co_await cache.End();
  CHECK(Loop::Current().now() == before);
  co_await asking.Join();
  CHECK(said == std::vector<std::string>{"stopped"});
}

TEST_CASE("a look-up under way does not delay the end") {
  aquifer::test::RunVirtual(EndsLookups());
}

TEST_CASE("names, look-ups and those who wait for one are bounded") {
  aquifer::test::RunVirtual(Bounded());
}

}  // namespace
}  // namespace aquifer::io
