#include "mesh/cow_table.h"

#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include "tests/support/catch.h"

namespace aquifer::mesh {
namespace {

struct Row {
  std::string key;
  int value;
};
struct KeyOf {
  std::string_view operator()(const Row& row) const { return row.key; }
};
using Table = CowTable<Row, KeyOf>;

int ValueAt(const Table& table, std::string_view key) {
  const Row* row = table.Find(key);
  return row == nullptr ? -1 : row->value;
}

TEST_CASE("a copy handed to readers does not see later changes") {
  Table table;
  table.Put({"a", 1});
  table.Put({"b", 2});
  const Table readers = table.Share();
  table.Put({"a", 10});
  CHECK(table.Erase("b"));
  table.Edit("c", [] { return Row{"c", 0}; }).value = 3;

  CHECK(ValueAt(readers, "a") == 1);
  CHECK(ValueAt(readers, "b") == 2);
  CHECK(ValueAt(readers, "c") == -1);
  CHECK(readers.size() == 2);
  CHECK(ValueAt(table, "a") == 10);
  CHECK(ValueAt(table, "b") == -1);
  CHECK(ValueAt(table, "c") == 3);
  CHECK(table.size() == 2);
}

TEST_CASE("editing a row in place does not reach readers either") {
  Table table;
  table.Put({"a", 1});
  const Table readers = table.Share();
  table.Edit("a", [] { return Row{"a", 0}; }).value = 2;
  CHECK(ValueAt(readers, "a") == 1);
  CHECK(ValueAt(table, "a") == 2);
}

TEST_CASE("a table says what a map says, through random changes and shared copies") {
  const unsigned seed = 20240607;
  INFO("seed " << seed);
  std::mt19937 random(seed);
  Table table;
  std::map<std::string, int> model;
  Table shared = table.Share();
  std::map<std::string, int> shared_model;
  for (int step = 0; step < 20000; ++step) {
    const std::string key = "key" + std::to_string(random() % 1500);
    const int action = static_cast<int>(random() % 10);
    if (action < 6) {
      table.Put({key, step});
      model[key] = step;
    } else if (action < 9) {
      CHECK(table.Erase(key) == (model.erase(key) == 1));
    } else if (step % 500 == 0) {
      shared = table.Share();
      shared_model = model;
    }
  }
  REQUIRE(table.size() == model.size());
  REQUIRE(shared.size() == shared_model.size());
  for (const auto& [key, value] : model) REQUIRE(ValueAt(table, key) == value);
  for (const auto& [key, value] : shared_model) REQUIRE(ValueAt(shared, key) == value);
  size_t visited = 0;
  table.ForEach([&](const Row& row) { visited += model.at(row.key) == row.value ? 1 : 0; });
  CHECK(visited == model.size());
}

TEST_CASE("a change of one row copies a handful of the others") {
  Table table;
  for (int i = 0; i < 20000; ++i) table.Put({"key" + std::to_string(i), i});
  const Table readers = table.Share();
  table.Put({"key7", -7});
  int moved = 0;
  readers.ForEach([&](const Row& row) { moved += table.Find(row.key) == &row ? 0 : 1; });
  CHECK(moved >= 1);
  CHECK(moved <= 16);
}

TEST_CASE("nobody's copy is made when there are no readers") {
  Table table;
  for (int i = 0; i < 1000; ++i) table.Put({"key" + std::to_string(i), i});
  const Row* before = table.Find("key7");
  table.Share();
  table.Put({"key7", -7});
  CHECK(table.Find("key7") == before);
}

// The worst hash there is.
struct Alike {
  int number = 0;

  friend bool operator==(const Alike&, const Alike&) = default;
  template <class H>
  friend H AbslHashValue(H h, const Alike&) {
    return H::combine(std::move(h), 0);
  }
};
struct KeyOfAlike {
  const Alike& operator()(const Alike& row) const { return row; }
};

TEST_CASE("rows that all have one hash are told apart") {
  CowTable<Alike, KeyOfAlike> table;
  for (int i = 0; i < 200; ++i) table.Put({i});
  const auto readers = table.Share();
  for (int i = 0; i < 200; i += 2) CHECK(table.Erase({i}));
  CHECK_FALSE(table.Erase({0}));
  CHECK(table.size() == 100);
  CHECK(readers.size() == 200);
  for (int i = 0; i < 200; ++i) {
    CHECK((table.Find({i}) != nullptr) == (i % 2 == 1));
    REQUIRE(readers.Find({i}) != nullptr);
    CHECK(readers.Find({i})->number == i);
  }
}

TEST_CASE("a table that was emptied is as good as new") {
  Table table;
  for (int i = 0; i < 1000; ++i) table.Put({"key" + std::to_string(i), i});
  for (int i = 0; i < 1000; ++i) REQUIRE(table.Erase("key" + std::to_string(i)));
  CHECK(table.size() == 0);
  table.ForEach([](const Row&) { FAIL("a row"); });
  table.Put({"a", 1});
  CHECK(ValueAt(table, "a") == 1);
}

}  // namespace
}  // namespace aquifer::mesh
