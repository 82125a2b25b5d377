#include "redirect/agent_status.h"

#include "tests/support/catch.h"

namespace aquifer::redirect {
namespace {

AgentStatus Sample() {
  AgentStatus status{.node = "node1", .proxies = 1};
  status.pods.push_back({.pod = {.uid = "u",
                                 .info = {"cart", "shop", "sa"},
                                 .netns = "/run/netns/x",
                                 .rules = {.inbound = false, .dns = true}},
                         .verified = true,
                         .proxy = "served"});
  return status;
}

}  // namespace

TEST_CASE("pods come back from the status as they went in") {
  const auto pods = PodsFromJson(StatusToJson(Sample()));
  REQUIRE(pods.ok());
  REQUIRE(pods->size() == 1);
  const WantedPod& pod = pods->front();
  CHECK(pod.uid == "u");
  CHECK(pod.info == PodInfo{"cart", "shop", "sa"});
  CHECK(pod.netns == "/run/netns/x");
  CHECK(pod.rules == RuleOptions{.inbound = false, .dns = true});
}

TEST_CASE("a status that is cut or of another shape is refused whole") {
  const std::string text = StatusToJson(Sample());
  // The last byte is the newline.
  for (size_t size = 0; size + 1 < text.size(); ++size) {
    INFO("cut at " << size);
    CHECK_FALSE(PodsFromJson(text.substr(0, size)).ok());
  }
  for (const std::string bad : {"[]", "{}", R"({"pods": {}})", R"({"pods": [1]})", "\xff"}) {
    INFO(bad);
    CHECK_FALSE(PodsFromJson(bad).ok());
  }
}

TEST_CASE("a problem with odd bytes still makes a status that can be read") {
  AgentStatus status = Sample();
  status.pods[0].problem = "bad \xff byte";
  status.refusals.push_back({"f\xfe", "w"});
  CHECK(PodsFromJson(StatusToJson(status)).ok());
}

TEST_CASE("a status file that is not there is empty, and one that is no file is refused") {
  const auto none = ReadStatusFile("/nonexistent/status.json");
  REQUIRE(none.ok());
  CHECK(none->empty());
  CHECK_FALSE(ReadStatusFile("/dev/null").ok());
}

}  // namespace aquifer::redirect
