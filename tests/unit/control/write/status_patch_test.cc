#include "control/write/status_patch.h"

#include "control/reconcile/gateway_class.h"
#include "tests/support/catch.h"

namespace aquifer::control {
namespace {

const std::string kNow = "2026-02-02T00:00:00Z";
const std::string kThen = "2026-01-01T00:00:00Z";

const ObjectKey kGatewayKey{Kind::kGateway, "edge", "gw"};
const ObjectKey kRouteKey{Kind::kHttpRoute, "web", "r"};
const ObjectKey kPolicyKey{Kind::kAuthorizationPolicy, "web", "p"};
const ObjectKey kServiceKey{Kind::kService, "web", "s"};
const ObjectKey kClassKey{Kind::kGatewayClass, "", "aquifer"};

ObjectStatus Wanted(std::vector<Condition> conditions) {
  ObjectStatus status;
  status.generation = 2;
  status.uid = "u";
  status.conditions = std::move(conditions);
  return status;
}

Json Present(Json status, Json spec = Json::object()) {
  return {{"metadata", {{"uid", "u"}, {"generation", 2}, {"resourceVersion", "77"}}},
          {"spec", std::move(spec)},
          {"status", std::move(status)}};
}

Json Said(const std::string& type, bool holds, const std::string& reason,
          const std::string& since = kThen) {
  return {{"type", type},
          {"status", holds ? "True" : "False"},
          {"reason", reason},
          {"message", ""},
          {"observedGeneration", 2},
          {"lastTransitionTime", since}};
}

std::optional<StatusPatch> Patch(const ObjectKey& key, const ObjectStatus& wanted,
                                 const Json& present, bool with_features = true) {
  const auto patch = PatchFor(key, wanted, present, {"g/v1", kNow, with_features});
  REQUIRE(patch.ok());
  return *patch;
}

Json StatusOf(const std::optional<StatusPatch>& patch) {
  REQUIRE(patch.has_value());
  return Json::parse(patch->body)["status"];
}

ObjectStatus GatewayWanted() {
  ObjectStatus status = Wanted({{"Accepted", true, "Accepted", ""},
                                {"Programmed", true, "Programmed", ""},
                                {"Ready", true, "Ready", ""}});
  status.listeners = {{"http", 1, {"HTTPRoute"}, {{"Accepted", true, "Accepted", ""}}}};
  status.addresses = {{"IPAddress", "192.0.2.1"}};
  return status;
}

Json GatewaySaid() {
  return {{"conditions",
           Json::array({Said("Accepted", true, "Accepted"), Said("Programmed", true, "Programmed"),
                        Said("Ready", true, "Ready")})},
          {"listeners",
           Json::array({{{"name", "http"},
                         {"attachedRoutes", 1},
                         {"supportedKinds",
                          Json::array({{{"group", kGatewayGroup}, {"kind", "HTTPRoute"}}})},
                         {"conditions", Json::array({Said("Accepted", true, "Accepted")})}}})},
          {"addresses", Json::array({{{"type", "IPAddress"}, {"value", "192.0.2.1"}}})}};
}

ObjectStatus RouteWanted() {
  ObjectStatus status = Wanted({});
  status.parents = {{"Gateway edge/gw", {{"Accepted", true, "Accepted", ""}}, 1}};
  return status;
}

const Json kOther = {{"name", "other"}};
const Json kOurs = {{"group", kGatewayGroup}, {"kind", "Gateway"}, {"name", "gw"}};
Json RouteSpec() { return {{"parentRefs", Json::array({kOther, kOurs})}}; }
Json Parent(const Json& ref, std::string_view controller, Json conditions) {
  return {
      {"parentRef", ref}, {"controllerName", controller}, {"conditions", std::move(conditions)}};
}

}  // namespace

TEST_CASE("a status that is there already is not written") {
  CHECK_FALSE(Patch(kGatewayKey, GatewayWanted(), Present(GatewaySaid())).has_value());
  CHECK_FALSE(Patch(kRouteKey, Wanted({}), Present(Json(), RouteSpec())).has_value());
  CHECK_FALSE(Patch(kServiceKey, Wanted({}), Present(Json::object())).has_value());
}

TEST_CASE("the first status of a Gateway replaces what its definition put there, all at once") {
  const Json unknown = {{"type", "Accepted"},
                        {"status", "Unknown"},
                        {"reason", "Pending"},
                        {"message", "waiting"},
                        {"lastTransitionTime", "1970-01-01T00:00:00Z"}};
  const auto patch =
      Patch(kGatewayKey, GatewayWanted(), Present({{"conditions", Json::array({unknown})}}));
  REQUIRE(patch.has_value());
  CHECK(patch->apply);
  CHECK(patch->content_type() == "application/apply-patch+yaml");
  const Json body = Json::parse(patch->body);
  CHECK(body["apiVersion"] == "g/v1");
  CHECK(body["kind"] == "Gateway");
  CHECK(body["metadata"] == Json{{"name", "gw"}, {"namespace", "edge"}});
  const Json& status = body["status"];
  CHECK(status["conditions"].size() == 3);
  CHECK(status["conditions"][0] == Said("Accepted", true, "Accepted", kNow));
  CHECK(status["listeners"][0]["supportedKinds"][0]["kind"] == "HTTPRoute");
  CHECK(status["listeners"][0]["conditions"][0]["lastTransitionTime"] == kNow);
  CHECK(status["addresses"][0]["value"] == "192.0.2.1");
}

TEST_CASE("the time of a transition stays as long as the status does") {
  ObjectStatus wanted = GatewayWanted();
  wanted.conditions[1] = {"Programmed", false, "AddressNotAssigned", ""};
  const Json status = StatusOf(Patch(kGatewayKey, wanted, Present(GatewaySaid())));
  CHECK(status["conditions"][0]["lastTransitionTime"] == kThen);
  CHECK(status["conditions"][1]["lastTransitionTime"] == kNow);
  wanted.conditions[1] = {"Programmed", true, "Other", ""};
  CHECK(StatusOf(Patch(kGatewayKey, wanted,
                       Present(GatewaySaid())))["conditions"][1]["lastTransitionTime"] == kThen);
}

TEST_CASE("any part of a Gateway's status that differs is a reason to write it") {
  const auto differs = [](void (*change)(ObjectStatus&)) {
    ObjectStatus wanted = GatewayWanted();
    change(wanted);
    return Patch(kGatewayKey, wanted, Present(GatewaySaid())).has_value();
  };
  CHECK(differs([](ObjectStatus& s) { s.conditions[0].message = "x"; }));
  CHECK(differs([](ObjectStatus& s) { s.listeners[0].attached_routes = 2; }));
  CHECK(differs([](ObjectStatus& s) { s.listeners[0].supported_kinds.clear(); }));
  CHECK(differs([](ObjectStatus& s) { s.listeners[0].conditions[0].reason = "x"; }));
  CHECK(differs([](ObjectStatus& s) { s.listeners[0].name = "x"; }));
  CHECK(differs([](ObjectStatus& s) { s.listeners.push_back({"b", 0, {}, {}}); }));
  CHECK(differs([](ObjectStatus& s) { s.addresses[0].value = "x"; }));
  CHECK(differs([](ObjectStatus& s) { s.addresses.clear(); }));
  CHECK_FALSE(differs([](ObjectStatus&) {}));
}

TEST_CASE("conditions of others are neither written nor missed, ours that no longer hold are") {
  Json said = GatewaySaid();
  said["conditions"].push_back(Said("example.com/Theirs", true, "X"));
  CHECK_FALSE(Patch(kGatewayKey, GatewayWanted(), Present(said)).has_value());
  said["listeners"][0]["conditions"].push_back(Said("Conflicted", true, "HostnameConflict"));
  const Json status = StatusOf(Patch(kGatewayKey, GatewayWanted(), Present(said)));
  CHECK(status["conditions"].size() == 3);
  CHECK(status["listeners"][0]["conditions"].size() == 1);
}

TEST_CASE("what another leader has said of a deployment stays until it is known") {
  Json said = GatewaySaid();
  said["conditions"].push_back(Said("aquifer.io/Deployed", false, "ApplyFailed"));
  CHECK(StatusOf(Patch(kGatewayKey, GatewayWanted(), Present(said)))["conditions"].size() == 3);
  ObjectStatus wanted = GatewayWanted();
  wanted.keeps_deployed = true;
  CHECK_FALSE(Patch(kGatewayKey, wanted, Present(said)).has_value());
  wanted.addresses.clear();
  const Json written = StatusOf(Patch(kGatewayKey, wanted, Present(said)));
  REQUIRE(written["conditions"].size() == 4);
  CHECK(written["conditions"][3] == said["conditions"][3]);
  CHECK(StatusOf(Patch(kGatewayKey, wanted, Present(GatewaySaid())))["conditions"].size() == 3);
}

TEST_CASE("a Gateway with bad parameters is not accepted by the next leader either") {
  Json said = GatewaySaid();
  said["conditions"][0] = Said("Accepted", false, "InvalidParameters");
  said["conditions"].push_back(Said("aquifer.io/Deployed", false, "InvalidParameters"));
  ObjectStatus wanted = GatewayWanted();
  wanted.keeps_deployed = true;
  CHECK_FALSE(Patch(kGatewayKey, wanted, Present(said)).has_value());
}

TEST_CASE("addresses that are gone are left out, so that they go") {
  ObjectStatus wanted = GatewayWanted();
  wanted.addresses.clear();
  CHECK_FALSE(StatusOf(Patch(kGatewayKey, wanted, Present(GatewaySaid()))).contains("addresses"));
}

TEST_CASE("what was said of another object, or of another form of it, is not written") {
  ObjectStatus wanted = GatewayWanted();
  wanted.uid = "v";
  CHECK_FALSE(Patch(kGatewayKey, wanted, Present(Json::object())).has_value());
  wanted = GatewayWanted();
  wanted.generation = 1;
  CHECK_FALSE(Patch(kGatewayKey, wanted, Present(Json::object())).has_value());
  wanted.generation = 2;
  CHECK(Patch(kGatewayKey, wanted, Present(Json::object())).has_value());
}

TEST_CASE("a route's parents of other controllers stay as they are") {
  const Json theirs =
      Parent(kOther, "example.com/other", Json::array({Said("Accepted", true, "Y")}));
  const Json old = Parent({{"name", "gone"}}, kControllerName, Json::array());
  const auto patch = Patch(kRouteKey, RouteWanted(),
                           Present({{"parents", Json::array({theirs, old})}}, RouteSpec()));
  REQUIRE(patch.has_value());
  CHECK_FALSE(patch->apply);
  const Json body = Json::parse(patch->body);
  CHECK(body["metadata"] == Json{{"resourceVersion", "77"}});
  const Json& parents = body["status"]["parents"];
  REQUIRE(parents.size() == 2);
  CHECK(parents[0] == theirs);
  CHECK(parents[1] ==
        Parent(kOurs, kControllerName, Json::array({Said("Accepted", true, "Accepted", kNow)})));
  CHECK_FALSE(
      Patch(kRouteKey, RouteWanted(), Present({{"parents", parents}}, RouteSpec())).has_value());
}

TEST_CASE("a route that no longer names us keeps nothing of ours") {
  const Json ours = Parent(kOurs, kControllerName, Json::array());
  const Json parents = StatusOf(
      Patch(kRouteKey, Wanted({}), Present({{"parents", Json::array({ours})}})))["parents"];
  CHECK(parents == Json::array());
}

TEST_CASE("another's condition in our entry of a route stays") {
  const Json theirs = Said("example.com/Theirs", true, "X");
  const Json ours = Parent(kOurs, kControllerName,
                           Json::array({theirs, Said("ResolvedRefs", true, "ResolvedRefs")}));
  const Json parents =
      StatusOf(Patch(kRouteKey, RouteWanted(),
                     Present({{"parents", Json::array({ours})}}, RouteSpec())))["parents"];
  CHECK(parents[0]["conditions"] ==
        Json::array({theirs, Said("Accepted", true, "Accepted", kNow)}));
}

TEST_CASE("a policy's conditions are written as a list with those of others in it") {
  const Json theirs = Said("example.com/Theirs", true, "X");
  const Json before = Json::array({Said("ZtunnelAccepted", true, "Accepted"), theirs});
  const auto patch = Patch(kPolicyKey, Wanted({{"WaypointAccepted", true, "Accepted", ""}}),
                           Present({{"conditions", before}}));
  REQUIRE(patch.has_value());
  CHECK(patch->content_type() == "application/merge-patch+json");
  CHECK(StatusOf(patch)["conditions"] ==
        Json::array({theirs, Said("WaypointAccepted", true, "Accepted", kNow)}));
}

TEST_CASE("a Service that has no waypoint any more says nothing of one") {
  const Json said = {{"conditions", Json::array({Said("istio.io/WaypointBound", true, "X")})}};
  CHECK(StatusOf(Patch(kServiceKey, Wanted({}), Present(said))) == Json::object());
}

TEST_CASE("an entry says of its waypoint beside what others say, and takes it back") {
  for (const Kind kind : {Kind::kServiceEntry, Kind::kWorkloadEntry}) {
    CHECK(WritesStatusOf(kind));
    const ObjectKey key{kind, "web", "e"};
    const Json theirs = Said("example.com/Theirs", true, "X");
    const ObjectStatus wanted = Wanted({{"istio.io/WaypointBound", true, "WaypointAccepted", ""}});
    const Json said = {{"conditions", Json::array({theirs})},
                       {"addresses", Json::array({{{"value", "240.240.0.1"}}})}};
    const Json written = StatusOf(Patch(key, wanted, Present(said)));
    REQUIRE(written["conditions"].size() == 2);
    CHECK(written["conditions"][0] == theirs);
    CHECK(written["conditions"][1]["type"] == "istio.io/WaypointBound");
    CHECK_FALSE(written.contains("addresses"));
    CHECK_FALSE(Patch(key, wanted, Present(written)).has_value());
    CHECK(StatusOf(Patch(key, Wanted({}), Present(written)))["conditions"] ==
          Json::array({theirs}));
  }
}

TEST_CASE("a Service has no generation to observe") {
  ObjectStatus wanted = Wanted({{"istio.io/WaypointBound", true, "WaypointAccepted", ""}});
  wanted.generation = 0;
  Json present = Present(Json::object());
  present["metadata"].erase("generation");
  const Json status = StatusOf(Patch(kServiceKey, wanted, present));
  CHECK_FALSE(status["conditions"][0].contains("observedGeneration"));
}

TEST_CASE("a class says its features where its definition knows of them") {
  ObjectStatus wanted = Wanted({{"Accepted", true, "Accepted", ""}});
  wanted.supported_features = {"HTTPRoute", "ReferenceGrant"};
  const Json said = {{"conditions", Json::array({Said("Accepted", true, "Accepted")})}};
  CHECK(StatusOf(Patch(kClassKey, wanted, Present(said)))["supportedFeatures"] ==
        Json::array({{{"name", "HTTPRoute"}}, {{"name", "ReferenceGrant"}}}));
  CHECK_FALSE(Patch(kClassKey, wanted, Present(said), false).has_value());
}

TEST_CASE("what cannot be an object is refused, and a long message is cut between characters") {
  CHECK_FALSE(PatchFor(kGatewayKey, GatewayWanted(), Json::array(), {}).ok());
  CHECK_FALSE(PatchFor(kGatewayKey, GatewayWanted(), {{"metadata", Json::object()}}, {}).ok());
  std::string text(4095, 'a');
  text += "\xc3\xa9";
  ObjectStatus wanted = GatewayWanted();
  wanted.conditions[0].message = text;
  const Json status = StatusOf(Patch(kGatewayKey, wanted, Present(GatewaySaid())));
  CHECK(status["conditions"][0]["message"] == std::string(4095, 'a'));
}

}  // namespace aquifer::control
