#include "redirect/sandboxes.h"

#include "tests/support/catch.h"

namespace aquifer::redirect {

TEST_CASE("what the runtime says of a pod's namespace counts before what a manifest says") {
  Sandboxes sandboxes;
  sandboxes.Add("u", "/run/netns/new");
  CHECK(sandboxes.NetnsOf("u", "/run/netns/old") == "/run/netns/new");
  CHECK(sandboxes.NetnsOf("u", "") == "/run/netns/new");
  CHECK(sandboxes.NetnsOf("other", "/run/netns/x") == "/run/netns/x");
  CHECK(sandboxes.NetnsOf("other", "").empty());
}

TEST_CASE("what an earlier run knew counts only where nobody says anything") {
  Sandboxes sandboxes;
  sandboxes.Remember("u", "/run/netns/then");
  CHECK(sandboxes.NetnsOf("u", "/run/netns/now") == "/run/netns/now");
  CHECK(sandboxes.NetnsOf("u", "") == "/run/netns/then");
  sandboxes.Add("u", "/run/netns/told");
  sandboxes.Remember("u", "/run/netns/then");
  CHECK(sandboxes.NetnsOf("u", "/run/netns/now") == "/run/netns/told");
}

TEST_CASE("the end of a sandbox is not that of the one that came after it") {
  Sandboxes sandboxes;
  sandboxes.Add("u", "/run/netns/1");
  sandboxes.Add("u", "/run/netns/2");
  CHECK_FALSE(sandboxes.Remove("u", "/run/netns/1"));
  CHECK_FALSE(sandboxes.Remove("u", ""));
  CHECK_FALSE(sandboxes.Remove("other", "/run/netns/2"));
  CHECK(sandboxes.NetnsOf("u", "") == "/run/netns/2");
  CHECK(sandboxes.Remove("u", "/run/netns/2"));
  CHECK(sandboxes.NetnsOf("u", "").empty());
}

TEST_CASE("sandboxes whose end nobody told make room for new ones") {
  Sandboxes sandboxes;
  sandboxes.Add("gone", "/proc/self/ns/gone");
  for (size_t i = 1; i < Sandboxes::kMost; ++i)
    sandboxes.Add("u" + std::to_string(i), "/proc/self/ns/net");
  CHECK(sandboxes.size() == Sandboxes::kMost);
  sandboxes.Add("one-more", "/proc/self/ns/net");
  CHECK(sandboxes.NetnsOf("gone", "").empty());
  CHECK(sandboxes.NetnsOf("u1", "") == "/proc/self/ns/net");
  sandboxes.Add("and-another", "/proc/self/ns/net");
  CHECK(sandboxes.size() == Sandboxes::kMost);
  CHECK(sandboxes.NetnsOf("and-another", "") == "/proc/self/ns/net");
}

}  // namespace aquifer::redirect
