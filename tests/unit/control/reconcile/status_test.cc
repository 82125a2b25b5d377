#include "control/reconcile/status.h"

#include <nlohmann/json.hpp>

#include "tests/support/catch.h"

namespace aquifer::control {
namespace {

StatusMap One(std::string reason) {
  ObjectStatus status;
  status.generation = 2;
  status.conditions = {{"Accepted", true, reason, "all \"good\""}};
  status.parents = {{"Gateway edge/gw",
                     {{"ResolvedRefs", false, "BackendNotFound", "Service a/b does not exist"}}}};
  status.listeners = {{"http", 3, {"HTTPRoute"}, {{"Programmed", true, "Programmed", ""}}}};
  status.addresses = {{"IPAddress", "192.0.2.1"}};
  return {{{Kind::kGateway, "edge", "gw"}, status}};
}

}  // namespace

TEST_CASE("the status of an object has the shape that Kubernetes gives it") {
  const auto json = nlohmann::json::parse(StatusJson(One("Accepted")));
  REQUIRE(json.size() == 1);
  CHECK(json[0]["kind"] == "Gateway");
  CHECK(json[0]["namespace"] == "edge");
  const auto& status = json[0]["status"];
  CHECK(status["conditions"][0]["status"] == "True");
  CHECK(status["conditions"][0]["observedGeneration"] == 2);
  CHECK(status["parents"][0]["conditions"][0]["reason"] == "BackendNotFound");
  CHECK(status["listeners"][0]["attachedRoutes"] == 3);
  CHECK(status["addresses"][0]["value"] == "192.0.2.1");
}

TEST_CASE("nothing to say is an empty list") {
  CHECK(nlohmann::json::parse(StatusJson({})).empty());
}

TEST_CASE("only what changed is worth a line") {
  const auto first = DescribeChanges({}, One("Accepted"));
  REQUIRE(first.size() == 3);
  CHECK(first[0] == "Gateway edge/gw: Accepted=True Accepted: all \"good\"");
  CHECK(first[1] ==
        "Gateway edge/gw, parent Gateway edge/gw: ResolvedRefs=False BackendNotFound: Service a/b "
        "does not exist");
  CHECK(first[2] == "Gateway edge/gw, listener http: Programmed=True Programmed");
  CHECK(DescribeChanges(One("Accepted"), One("Accepted")).empty());
  CHECK(DescribeChanges(One("Accepted"), One("ListenersNotValid")).size() == 1);
}

}  // namespace aquifer::control
