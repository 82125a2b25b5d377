#include "mesh/text.h"

#include <string>
#include <thread>
#include <vector>

#include "mesh/rare.h"
#include "tests/support/catch.h"

namespace aquifer::mesh {
namespace {

const char* Bytes(const Text& text) { return text.view().data(); }

}  // namespace

TEST_CASE("a text is what it was made of, to all who read strings") {
  const Text text = "team-a";
  CHECK(text == "team-a");
  CHECK(text == std::string("team-a"));
  CHECK(text == std::string_view("team-a"));
  CHECK(text != "team-b");
  CHECK(text < Text("team-b"));
  CHECK(text + "/web" == "team-a/web");
  CHECK("ns/" + text == "ns/team-a");
  CHECK(std::string(text) == "team-a");
  CHECK(text.size() == 6);
  CHECK(Text() == "");
  CHECK(Text("").empty());
  CHECK(Text(std::string_view("a\0b", 3)).size() == 3);
  CHECK(absl::HashOf(text) == absl::HashOf(Text(std::string("team-a"))));
}

TEST_CASE("copies of a text share it, whichever goes first") {
  Text first = "a name that no string keeps in itself";
  Text second = first;
  CHECK(Bytes(first) == Bytes(second));
  CHECK_FALSE(first.alone());
  first = "other";
  CHECK(second == "a name that no string keeps in itself");
  CHECK(second.alone());
  Text third = std::move(second);
  Text& itself = third;
  third = itself;
  CHECK(third == "a name that no string keeps in itself");
}

TEST_CASE("texts are given up by several threads at once") {
  const Text text = "shared by all of them";
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([text] {
      for (int n = 0; n < 1000; ++n) Text copy = text;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(text.alone());
}

TEST_CASE("one copy of what many say is kept, and only while somebody says it") {
  Texts texts;
  const Text first = texts.Shared("node-1");
  CHECK(Bytes(first) == Bytes(texts.Shared(std::string("node-1"))));
  CHECK(texts.Shared("").empty());
  for (int i = 0; i < 10'000; ++i) texts.Shared("passing-" + std::to_string(i));
  CHECK(texts.size() < 5'000);
  CHECK(Bytes(first) == Bytes(texts.Shared("node-1")));
}

TEST_CASE("what is rarely there is copied and compared by value") {
  Rare<std::string> none;
  Rare<std::string> some = std::string("x");
  CHECK_FALSE(none);
  CHECK(none == Rare<std::string>());
  CHECK_FALSE(none == some);
  Rare<std::string> copy = some;
  *copy = "y";
  CHECK(*some == "x");
  CHECK_FALSE(copy == some);
  copy = some;
  CHECK(copy == some);
  CHECK(&*copy != &*some);
  copy.reset();
  CHECK_FALSE(copy.has_value());
  static_assert(sizeof(Rare<std::string>) == sizeof(void*));
}

}  // namespace aquifer::mesh
