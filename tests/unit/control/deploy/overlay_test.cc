// Overlays: which ones are read, how they are merged, and what of the result is looked for in the
// cluster.
#include "control/deploy/drift.h"
#include "control/deploy/parameters.h"
#include "control/deploy/strategic_merge.h"
#include "tests/support/catch.h"

namespace aquifer::control {
namespace {

std::string RefusalOfPatch(const char* key, const char* patch) {
  Json config_map;
  config_map["data"][key] = patch;
  const Decoded<Overlays> overlays = ReadOverlays(config_map);
  return overlays.ok() ? "" : overlays.error().ToString();
}

Json Merged(const char* target, const char* patch) {
  Json result = Json::parse(target);
  const auto merged = StrategicMerge(result, Json::parse(patch));
  return merged.ok() ? result : Json(merged.error().ToString());
}

bool Holds(const char* applied, const char* live) {
  const Json wanted = Json::parse(applied);
  return ProjectOnto(wanted, Json::parse(live)) == wanted;
}

constexpr const char* kMayNot = "may not be changed";

}  // namespace

TEST_CASE("an overlay may not move its object or take it from its Gateway") {
  CHECK(RefusalOfPatch("deployment", "metadata: {labels: {a: b}}") == "");
  for (const char* field : {"name", "namespace", "ownerReferences", "finalizers", "uid"}) {
    const std::string patch = "metadata: {" + std::string(field) + ": x}";
    CHECK(RefusalOfPatch("deployment", patch.c_str()) ==
          "data.deployment.metadata." + std::string(field) + ": " + kMayNot);
  }
  CHECK(RefusalOfPatch("service", "kind: Secret") == std::string("data.service.kind: ") + kMayNot);
  CHECK(RefusalOfPatch("service", "spec: {selector: {a: b}}") ==
        std::string("data.service.spec.selector: ") + kMayNot);
  CHECK(RefusalOfPatch("service", "{apiVersion: v1, kind: Service, spec: {type: NodePort}}") == "");
  CHECK(RefusalOfPatch("service", "spec: null") == std::string("data.service.spec: ") + kMayNot);
  CHECK(RefusalOfPatch("service", "metadata: {labels: null}") ==
        std::string("data.service.metadata.labels: ") + kMayNot);
}

TEST_CASE("an overlay that is no mapping or of no kind of ours is refused by its key") {
  CHECK(RefusalOfPatch("deploymnt", "a: b").starts_with("data.deploymnt: is none of deployment,"));
  CHECK(RefusalOfPatch("service", "- a") == "data.service: expected a mapping");
  CHECK(RefusalOfPatch("service", "a: b\n---\nc: d") ==
        "data.service: expected one document of YAML");
  CHECK(RefusalOfPatch("service", "") == "data.service: expected one document of YAML");
  CHECK_FALSE(RefusalOfPatch("service", "a: [b").empty());
  CHECK(ReadOverlays(Json::parse(R"({"data":{"service":5}})")).error().ToString() ==
        "data.service: expected text");
  CHECK(ReadOverlays(Json::object())->patches.empty());
}

TEST_CASE("only ConfigMaps are parameters") {
  const ObjectRef good{.kind = "ConfigMap", .name = "p"};
  CHECK(PlaceOf(good, "edge")->value() == ParametersPlace{"edge", "p"});
  CHECK_FALSE(PlaceOf(std::nullopt, "edge")->has_value());
  const ObjectRef foreign{.group = "acme.io", .kind = "Params", .name = "p"};
  CHECK(PlaceOf(foreign, "edge").error().reason == "InvalidParameters");
  const ObjectRef path{.kind = "ConfigMap", .name = "../secrets/x"};
  CHECK_FALSE(PlaceOf(path, "edge").ok());
  // A GatewayClass has no namespace to fall back on.
  CHECK_FALSE(PlaceOf(good, "").ok());
}

TEST_CASE("mappings are merged and null takes away") {
  CHECK(Merged(R"({"a":{"b":1,"c":2}})", R"({"a":{"b":null,"d":3}})") ==
        Json::parse(R"({"a":{"c":2,"d":3}})"));
  CHECK(Merged(R"({"a":{"b":1}})", R"({"a":{"$patch":"replace","c":2}})") ==
        Json::parse(R"({"a":{"c":2}})"));
  CHECK(Merged(R"({"a":{"b":1}})", R"({"a":{"$patch":"delete"}})") == Json::object());
  CHECK(Merged("{}", R"({"a":{"b":null,"c":1}})") == Json::parse(R"({"a":{"c":1}})"));
}

TEST_CASE("lists with a key are merged by it, others replaced") {
  CHECK(
      Merged(R"({"env":[{"name":"A","value":"1"},{"name":"B","value":"2"}]})",
             R"({"env":[{"name":"B","value":"3"},{"name":"C","value":"4"}]})") ==
      Json::parse(
          R"({"env":[{"name":"A","value":"1"},{"name":"B","value":"3"},{"name":"C","value":"4"}]})"));
  CHECK(Merged(R"({"env":[{"name":"A"},{"name":"B"}]})",
               R"({"env":[{"name":"A","$patch":"delete"}]})") ==
        Json::parse(R"({"env":[{"name":"B"}]})"));
  CHECK(Merged(R"({"env":[{"name":"A"}]})", R"({"env":[{"$patch":"replace"},{"name":"C"}]})") ==
        Json::parse(R"({"env":[{"name":"C"}]})"));
  CHECK(Merged(R"({"args":["a","b"]})", R"({"args":["c"]})") == Json::parse(R"({"args":["c"]})"));
  CHECK(
      Merged(
          R"({"ports":[{"port":80,"protocol":"TCP"}]})",
          R"({"ports":[{"port":80,"protocol":"UDP"},{"port":80,"protocol":"TCP","name":"x"}]})") ==
      Json::parse(
          R"({"ports":[{"port":80,"protocol":"TCP","name":"x"},{"port":80,"protocol":"UDP"}]})"));
}

TEST_CASE("what would break the shape of an object is refused by its path") {
  CHECK(Merged(R"({"a":{"b":{}}})", R"({"a":{"b":"x"}})") == "a.b: has another type there");
  CHECK(Merged(R"({"env":[]})", R"({"env":{"name":"x"}})") == "env: has another type there");
  CHECK(Merged(R"({"env":[]})", R"({"env":["x"]})") == "env: has an element that is not a mapping");
  CHECK(Merged(R"({"env":[]})", R"({"env":[{"value":"x"}]})") ==
        "env: has an element without its key");
  CHECK(Merged("{}", R"({"a":{"$retainKeys":["b"]}})") ==
        "a.$retainKeys: is a directive that is not followed here");
  CHECK(Merged("{}", R"({"a":{"$patch":"bend"}})") ==
        "a.$patch: is none of merge, replace, delete");
}

TEST_CASE("what the cluster adds by itself is no drift, what it lacks is") {
  CHECK(Holds(R"({"spec":{"a":1}})", R"({"spec":{"a":1,"b":2},"status":{}})"));
  CHECK_FALSE(Holds(R"({"spec":{"a":1}})", R"({"spec":{"a":2}})"));
  CHECK_FALSE(Holds(R"({"spec":{"a":1}})", R"({"spec":{}})"));
  CHECK_FALSE(Holds(R"({"spec":{"a":1}})", R"({"spec":null})"));
  CHECK(Holds(R"({"env":[{"name":"B","value":"2"}]})",
              R"({"env":[{"name":"A"},{"name":"B","value":"2","x":1}]})"));
  CHECK_FALSE(Holds(R"({"env":[{"name":"B"}]})", R"({"env":[{"name":"A"}]})"));
  CHECK(Holds(R"({"drop":["ALL"]})", R"({"drop":["ALL"]})"));
  CHECK_FALSE(Holds(R"({"drop":["ALL"]})", R"({"drop":["ALL","x"]})"));
  CHECK(Holds(R"({"sources":[{"a":1}]})", R"({"sources":[{"a":1,"mode":420}]})"));
}

}  // namespace aquifer::control
