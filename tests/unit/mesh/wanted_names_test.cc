#include "mesh/wanted_names.h"

#include <algorithm>

#include "tests/support/catch.h"

namespace aquifer::mesh {
namespace {

using Verdict = WantedNames::Verdict;
using Readable = WantedNames::Readable;
using Names = std::vector<std::string>;

constexpr TimePoint kStart{};
constexpr TimePoint kSoon = kStart + std::chrono::milliseconds(999);
constexpr TimePoint kLater = kStart + std::chrono::seconds(1);

// What the stream is told next, all of it.
struct Told {
  explicit Told(WantedNames& names) {
    while (names.changed()) {
      const WantedNames::Changes changes = names.TakeChanges(10);
      CHECK((changes.subscribe.empty() || changes.unsubscribe.empty()));
      for (const std::string& name : changes.unsubscribe) lines.push_back("-" + name);
      for (const std::string& name : changes.subscribe) lines.push_back("+" + name);
    }
  }
  Names lines;
};

Names Tell(WantedNames& names) { return Told(names).lines; }

// A name that was asked for and is the alias of a pod.
void AskForPod(WantedNames& names, const char* name, const char* pod) {
  REQUIRE(names.Want(name, kStart) == Verdict::kPending);
  Tell(names);
  REQUIRE(names.Take(pod, {name}, Readable::kYes));
}

}  // namespace

TEST_CASE("a name is asked for once, and what there is holds") {
  WantedNames names;
  CHECK(names.Want("/10.0.0.1", kStart) == Verdict::kPending);
  CHECK(names.Want("/10.0.0.1", kStart) == Verdict::kPending);
  CHECK(Tell(names) == Names{"+/10.0.0.1"});
  CHECK(names.Take("pod", {"/10.0.0.1", "/10.0.0.2"}, Readable::kYes));
  CHECK(names.Want("/10.0.0.1", kStart + std::chrono::hours(24)) == Verdict::kAnswered);
  CHECK_FALSE(names.Take("pod", {"/10.0.0.1"}, Readable::kYes));  // nobody waited any more
  CHECK_FALSE(names.Take("never wanted", {}, Readable::kYes));
  CHECK(Tell(names).empty());
  CHECK(names.size() == 1);
}

TEST_CASE("that there is nothing holds for a moment, and is then asked anew") {
  WantedNames names;
  names.Want("/10.0.0.1", kStart);
  Tell(names);
  CHECK(names.Remove("/10.0.0.1"));
  CHECK(names.Want("/10.0.0.1", kSoon) == Verdict::kAnswered);
  CHECK(names.Want("/10.0.0.1", kLater) == Verdict::kPending);
  // Subscribed again is no question to every control plane, and in one request the order is theirs.
  CHECK(Tell(names) == Names{"-/10.0.0.1", "+/10.0.0.1"});
  CHECK(names.unanswered() == 1);
  CHECK(names.Take("pod", {"/10.0.0.1"}, Readable::kYes));
  CHECK(names.Want("/10.0.0.1", kLater) == Verdict::kAnswered);
}

TEST_CASE("who has waited takes an answer that came late") {
  WantedNames names;
  names.Want("a", kStart);
  Tell(names);
  CHECK(names.Look("a", kLater) == Verdict::kPending);
  names.Remove("a");
  CHECK(names.Look("a", kLater) == Verdict::kAnswered);
  CHECK(Tell(names).empty());
}

TEST_CASE("a resource that goes takes its answers along") {
  WantedNames names;
  AskForPod(names, "/10.0.0.1", "pod");
  CHECK_FALSE(names.Remove("pod"));
  CHECK(Tell(names).empty());  // what came with it goes on being told
  CHECK(names.Look("/10.0.0.1", kStart) == Verdict::kPending);
  CHECK(Tell(names) == Names{"-/10.0.0.1", "+/10.0.0.1"});
  CHECK(names.Take("successor", {"/10.0.0.1"}, Readable::kYes));
  CHECK_FALSE(names.Remove("pod"));
  CHECK(names.Want("/10.0.0.1", kStart) == Verdict::kAnswered);
}

TEST_CASE("a resource that has an address no more takes that answer along, and no other") {
  WantedNames names;
  AskForPod(names, "/10.0.0.1", "pod");
  AskForPod(names, "/10.0.0.2", "pod");
  CHECK(names.Want("/10.0.0.1", kStart) == Verdict::kPending);  // the second time without it
  Tell(names);
  CHECK(names.Take("pod", {"/10.0.0.1", "/10.0.0.2"}, Readable::kYes));
  CHECK_FALSE(names.Take("pod", {"/10.0.0.2", "/10.0.0.3"}, Readable::kYes));
  CHECK(names.Want("/10.0.0.1", kStart) == Verdict::kPending);
  CHECK(names.Want("/10.0.0.2", kStart) == Verdict::kAnswered);
}

TEST_CASE("an address that another resource has taken over is that one's") {
  WantedNames names;
  AskForPod(names, "/10.0.0.1", "old");
  names.Take("new", {"/10.0.0.1"}, Readable::kYes);
  names.Remove("old");
  CHECK(names.Want("/10.0.0.1", kStart) == Verdict::kAnswered);
  names.Remove("new");
  CHECK(names.Want("/10.0.0.1", kStart) == Verdict::kPending);
}

TEST_CASE("what cannot be read is no answer until it can be") {
  WantedNames names;
  names.Want("/10.0.0.1", kStart);
  names.Want("pod", kStart);
  names.Want("/10.0.0.2", kStart);
  Tell(names);
  CHECK(names.Take("pod", {"/10.0.0.1"}, Readable::kNo));
  CHECK(names.Look("/10.0.0.1", kStart) == Verdict::kUnreadable);
  CHECK(names.Want("pod", kLater) == Verdict::kUnreadable);
  CHECK(names.Take("", {"/10.0.0.2"}, Readable::kNo));
  CHECK(names.Want("/10.0.0.2", kLater) == Verdict::kUnreadable);
  names.Take("pod", {"/10.0.0.1"}, Readable::kYes);
  CHECK(names.Want("/10.0.0.1", kLater) == Verdict::kAnswered);
  CHECK(Tell(names).empty());
}

TEST_CASE("what is not there and was wanted longest ago makes room") {
  WantedNames names({.names = 3, .unanswered = 3, .name_bytes = 16});
  for (const char* name : {"there", "old", "used"}) {
    CHECK(names.Want(name, kStart) == Verdict::kPending);
    Tell(names);
    if (std::string_view(name) == "there") {
      names.Take(name, {}, Readable::kYes);
    } else {
      names.Remove(name);
    }
  }
  CHECK(names.Want("used", kStart) == Verdict::kAnswered);
  CHECK(names.Want("old", kStart) == Verdict::kAnswered);
  CHECK(names.Want("new", kStart) == Verdict::kPending);
  CHECK(Tell(names) == Names{"-used", "+new"});
  CHECK(names.Want("old", kStart) == Verdict::kAnswered);
  CHECK(names.size() == 3);
}

TEST_CASE("names of what has gone make room, too") {
  WantedNames names({.names = 2, .unanswered = 2, .name_bytes = 16});
  AskForPod(names, "a", "pod-a");
  AskForPod(names, "b", "pod-b");
  CHECK(names.Want("c", kStart) == Verdict::kRefused);
  names.Remove("pod-a");
  CHECK(names.Want("c", kStart) == Verdict::kPending);
  CHECK(Tell(names) == Names{"-a", "+c"});
}

TEST_CASE("names that there is no room for are refused") {
  WantedNames names({.names = 3, .unanswered = 2, .name_bytes = 4});
  CHECK(names.Want("", kStart) == Verdict::kRefused);
  CHECK(names.Want("12345", kStart) == Verdict::kRefused);
  CHECK(names.Want("a", kStart) == Verdict::kPending);
  CHECK(names.Want("b", kStart) == Verdict::kPending);
  CHECK(names.Want("c", kStart) == Verdict::kRefused);  // too many without an answer
  names.Take("a", {}, Readable::kYes);
  names.Remove("b");
  CHECK(names.Want("c", kStart) == Verdict::kPending);
  CHECK(names.Want("b", kLater) == Verdict::kPending);
  CHECK(names.Want("d", kLater) == Verdict::kRefused);
  names.Take("b", {}, Readable::kYes);
  names.Take("c", {}, Readable::kYes);
  CHECK(names.Want("d", kLater) == Verdict::kRefused);  // all of them are there
}

TEST_CASE("an expired answer is not asked anew beyond what may be unanswered") {
  WantedNames names({.names = 8, .unanswered = 1, .name_bytes = 8});
  names.Want("a", kStart);
  names.Remove("a");
  names.Want("b", kLater);
  CHECK(names.Want("a", kLater) == Verdict::kRefused);
}

TEST_CASE("a name that was forgotten and is wanted again is a question again") {
  WantedNames names({.names = 1, .unanswered = 2, .name_bytes = 8});
  names.Want("a", kStart);
  Tell(names);
  names.Remove("a");
  names.Want("b", kStart);
  names.Remove("b");
  names.Want("a", kStart);
  // The other one was forgotten before anybody was told.
  CHECK(Tell(names) == Names{"-a", "+a"});
}

TEST_CASE("a new stream is told every name, in portions") {
  WantedNames names;
  for (const char* name : {"a", "b", "c"}) names.Want(name, kStart);
  Tell(names);
  names.Take("b", {}, Readable::kYes);
  names.Remove("c");
  names.TellAllAgain();
  CHECK(names.Want("c", kLater) == Verdict::kPending);  // and needs no word of its own
  Names told = names.TakeChanges(2).subscribe;
  CHECK(told.size() == 2);
  CHECK(names.changed());
  for (std::string& name : names.TakeChanges(2).subscribe) told.push_back(std::move(name));
  std::sort(told.begin(), told.end());
  CHECK(told == Names{"a", "b", "c"});
  CHECK_FALSE(names.changed());
  CHECK(names.Want("b", kLater) == Verdict::kAnswered);
  CHECK(names.unanswered() == 2);
}

}  // namespace aquifer::mesh
