#include "mesh/wanted_names.h"

#include <algorithm>

#include "tests/support/catch.h"

namespace aquifer::mesh {
namespace {

using Verdict = WantedNames::Verdict;
using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a name is asked for once, and remembered with its answer") {
  WantedNames names;
  CHECK(names.Want("/10.0.0.1") == Verdict::kPending);
  CHECK(names.Want("/10.0.0.1") == Verdict::kPending);
  CHECK(names.TakeChanges(10).subscribe == Names{"/10.0.0.1"});
  CHECK_FALSE(names.changed());
  CHECK(names.Answer("/10.0.0.1", false));
  CHECK(names.Want("/10.0.0.1") == Verdict::kAnswered);
  CHECK_FALSE(names.changed());
  CHECK_FALSE(names.Answer("/10.0.0.1", true));  // nobody waited any more
  CHECK(names.Want("/10.0.0.1") == Verdict::kAnswered);
  CHECK_FALSE(names.Answer("never wanted", true));
  CHECK(names.size() == 1);
}

TEST_CASE("what is not there and was wanted longest ago makes room") {
  WantedNames names({.names = 3, .unanswered = 3, .name_bytes = 16});
  for (const char* name : {"there", "old", "used"}) {
    CHECK(names.Want(name) == Verdict::kPending);
    names.Answer(name, std::string_view(name) == "there");
  }
  CHECK(names.Want("old") == Verdict::kAnswered);
  CHECK(names.Want("used") == Verdict::kAnswered);
  CHECK(names.Want("old") == Verdict::kAnswered);
  names.TakeChanges(10);
  CHECK(names.Want("new") == Verdict::kPending);
  WantedNames::Changes changes = names.TakeChanges(10);
  CHECK(changes.unsubscribe == Names{"used"});
  CHECK(changes.subscribe == Names{"new"});
  CHECK(names.Want("old") == Verdict::kAnswered);
  CHECK(names.size() == 3);
}

TEST_CASE("names that there is no room for are refused") {
  WantedNames names({.names = 3, .unanswered = 2, .name_bytes = 4});
  CHECK(names.Want("") == Verdict::kRefused);
  CHECK(names.Want("12345") == Verdict::kRefused);
  CHECK(names.Want("a") == Verdict::kPending);
  CHECK(names.Want("b") == Verdict::kPending);
  CHECK(names.Want("c") == Verdict::kRefused);  // too many without an answer
  names.Answer("a", true);
  names.Answer("b", true);
  CHECK(names.Want("c") == Verdict::kPending);
  names.Answer("c", true);
  CHECK(names.Want("d") == Verdict::kRefused);  // all of them are there
  names.Answer("c", false);
  CHECK(names.Want("d") == Verdict::kPending);
}

TEST_CASE("a name that was forgotten and is wanted again stays subscribed") {
  WantedNames names({.names = 1, .unanswered = 2, .name_bytes = 8});
  names.Want("a");
  names.Answer("a", false);
  names.TakeChanges(10);
  names.Want("b");
  names.Answer("b", false);
  names.Want("a");
  const WantedNames::Changes changes = names.TakeChanges(10);
  CHECK(changes.subscribe == Names{"a"});
  CHECK(changes.unsubscribe == Names{"b"});
}

TEST_CASE("a new stream is told every name, in portions") {
  WantedNames names;
  for (const char* name : {"a", "b", "c"}) names.Want(name);
  names.TakeChanges(10);
  names.Answer("b", true);
  names.TellAllAgain();
  Names told = names.TakeChanges(2).subscribe;
  CHECK(told.size() == 2);
  CHECK(names.changed());
  for (std::string& name : names.TakeChanges(2).subscribe) told.push_back(std::move(name));
  std::sort(told.begin(), told.end());
  CHECK(told == Names{"a", "b", "c"});
  CHECK(names.Want("b") == Verdict::kAnswered);
  CHECK(names.unanswered() == 2);
}

}  // namespace aquifer::mesh
