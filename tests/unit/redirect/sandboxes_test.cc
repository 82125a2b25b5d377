#include "redirect/sandboxes.h"

#include "tests/support/catch.h"

namespace aquifer::redirect {

TEST_CASE("what the runtime says of a pod's namespace counts before what a source says") {
  Sandboxes sandboxes;
  REQUIRE(sandboxes.Add("u", "/run/netns/new", "c1").ok());
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
  REQUIRE(sandboxes.Add("u", "/run/netns/told", "c1").ok());
  sandboxes.Remember("u", "/run/netns/then");
  CHECK(sandboxes.NetnsOf("u", "/run/netns/now") == "/run/netns/told");
}

TEST_CASE("what an earlier run knew counts where it is certain to be the same namespace") {
  Sandboxes sandboxes;
  sandboxes.Remember("u", "/proc/self/ns/net", true);
  CHECK(sandboxes.NetnsOf("u", "/proc/1/ns/net") == "/proc/self/ns/net");
  CHECK(sandboxes.PodOf("/proc/self/ns/net", "c1") == "u");
}

TEST_CASE("a namespace whose end nobody told makes room for what a source says") {
  Sandboxes sandboxes;
  REQUIRE(sandboxes.Add("gone", "/proc/self/ns/gone", "c1").ok());
  REQUIRE(sandboxes.Add("there", "/proc/self/ns/net", "c2").ok());
  sandboxes.Remember("named", "pod1");
  for (const char* uid : {"gone", "there", "named", "other"}) sandboxes.RemoveIfGone(uid);
  CHECK(sandboxes.NetnsOf("gone", "/run/netns/now") == "/run/netns/now");
  CHECK(sandboxes.NetnsOf("there", "/run/netns/now") == "/proc/self/ns/net");
  CHECK(sandboxes.NetnsOf("named", "") == "pod1");
}

TEST_CASE("the end of a sandbox is not that of the one that came after it") {
  Sandboxes sandboxes;
  REQUIRE(sandboxes.Add("u", "/run/netns/1", "c1").ok());
  REQUIRE(sandboxes.Add("u", "/run/netns/2", "c2").ok());
  CHECK_FALSE(sandboxes.PodOf("/run/netns/1", "c1").has_value());
  CHECK(sandboxes.PodOf("/run/netns/2", "c2") == "u");
  CHECK(sandboxes.PodOf("", "c2") == "u");
  sandboxes.Remove("u");
  CHECK_FALSE(sandboxes.PodOf("/run/netns/2", "c2").has_value());
}

TEST_CASE("the end of a sandbox of an earlier run is told by its namespace") {
  Sandboxes sandboxes;
  sandboxes.Remember("u", "/run/netns/1");
  CHECK(sandboxes.PodOf("/run/netns/1", "c1") == "u");
  CHECK_FALSE(sandboxes.PodOf("/run/netns/2", "c1").has_value());
  CHECK_FALSE(sandboxes.PodOf("", "c1").has_value());
}

TEST_CASE("sandboxes whose end nobody told make room, and beyond that a pod is refused") {
  Sandboxes sandboxes;
  for (size_t i = 0; i < Sandboxes::kMost; ++i)
    REQUIRE(sandboxes.Add("u" + std::to_string(i), "/proc/self/ns/net", "c").ok());
  const auto refused = sandboxes.Add("one-more", "/proc/self/ns/net", "c");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().field == "pods");
  CHECK(sandboxes.Add("u7", "/proc/self/ns/gone", "c").ok());
  CHECK(sandboxes.Add("one-more", "/proc/self/ns/net", "c").ok());
  CHECK(sandboxes.size() == Sandboxes::kMost);
}

}  // namespace aquifer::redirect
