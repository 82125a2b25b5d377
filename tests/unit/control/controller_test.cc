#include "control/controller.h"

#include <nlohmann/json.hpp>

#include "control/admin.h"
#include "control/manifest.h"
#include "tests/support/ask.h"
#include "tests/support/catch.h"
#include "tests/support/quiet_log.h"

namespace aquifer::control {
namespace {

using nlohmann::json;
using test::Ask;

Observation Seeing(std::string_view yaml) {
  Observation seen;
  Manifest manifest = ReadManifest("test.yaml", yaml);
  for (Object& object : manifest.objects) seen.objects.Add(std::move(object));
  seen.refusals = std::move(manifest.refusals);
  seen.skipped = std::move(manifest.skipped);
  return seen;
}

struct Fixture {
  Fixture() : log(test::QuietLog()), metrics(registry), controller({}, log, metrics) {}
  obs::Logger log;
  obs::Registry registry;
  ControlMetrics metrics;
  Controller controller;
};

const char* const kService =
    "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {clusterIP: 10.96.0.1, ports: "
    "[{port: 80}]}}\n";
const char* const kBad = "---\n{apiVersion: v1, kind: Pod, metadata: {name: UPPER}}\n";

}  // namespace

TEST_CASE("each state of the objects becomes a table, which shares what did not change") {
  Fixture f;
  const PublicationRef first = f.controller.Take(Seeing(kService));
  const PublicationRef second = f.controller.Take(Seeing(
      std::string(kService) + "---\n{apiVersion: v1, kind: Namespace, metadata: {name: a}}"));
  CHECK(first->objects->size() == 1);
  CHECK(second->objects->size() == 2);
  CHECK(second->table->serial() == first->table->serial() + 1);
  const char* name = "default/s.default.svc.cluster.local";
  REQUIRE(first->table->Find(ResourceType::kAddress, name) != nullptr);
  CHECK(first->table->Find(ResourceType::kAddress, name) ==
        second->table->Find(ResourceType::kAddress, name));
}

TEST_CASE("problems are published while they last and counted once") {
  Fixture f;
  CHECK(f.controller.Take(Seeing(std::string(kService) + kBad))->problems.size() == 1);
  CHECK(f.controller.Take(Seeing(std::string(kService) + kBad))->problems.size() == 1);
  CHECK(f.metrics.problems_found.With({})->value() == 1);
  CHECK(f.metrics.problems.With({})->value() == 1);
  CHECK(f.controller.Take(Seeing(kService))->problems.empty());
  CHECK(f.metrics.problems.With({})->value() == 0);
}

TEST_CASE("objects that contradict each other are a problem, too") {
  Fixture f;
  const std::string pods =
      "{apiVersion: v1, kind: Pod, metadata: {name: a}, status: {podIP: 10.0.0.1}}\n---\n"
      "{apiVersion: v1, kind: Pod, metadata: {name: b}, status: {podIP: 10.0.0.1}}\n";
  CHECK(f.controller.Take(Seeing(pods))->problems ==
        std::vector<std::string>{"Pods default/a and default/b have the same address 10.0.0.1"});
}

TEST_CASE("objects and resources are counted by kind and type") {
  Fixture f;
  f.controller.Take(Seeing(kService));
  CHECK(f.metrics.objects.With({{"kind", "Service"}})->value() == 1);
  CHECK(f.metrics.resources.With({{"type", "istio.workload.Address"}})->value() == 1);
}

TEST_CASE("the admin pages show problems, statuses and versions") {
  Fixture f;
  const PublicationRef publication = f.controller.Take(Seeing(std::string(kService) + kBad));
  const json status = json::parse(StatusPage(*publication));
  CHECK(status["problems"].size() == 1);
  CHECK(status["kept"] == 0);
  CHECK(status["objects"].is_array());
  const json resources = json::parse(ResourcesPage(*publication));
  CHECK(resources["version"] == 1);
  CHECK(
      resources["types"]["istio.workload.Address"].contains("default/s.default.svc.cluster.local"));
}

TEST_CASE("the admin handler answers what it knows and refuses the rest") {
  Fixture f;
  PublicationRef current;
  const http::Server::Handler handler = AdminHandler([&] { return current; }, f.log);
  CHECK(Ask(handler, "GET", "/").status == 200);
  CHECK(Ask(handler, "GET", "/status").status == 503);
  current = f.controller.Take(Seeing(kService));
  CHECK(Ask(handler, "GET", "/status").status == 200);
  CHECK(Ask(handler, "GET", "/status").headers.Get("content-type") == "application/json");
  CHECK(Ask(handler, "GET", "/resources?x=y").status == 200);
  CHECK(Ask(handler, "POST", "/status").status == 405);
  CHECK(Ask(handler, "GET", "/nothing").status == 404);
  CHECK(Ask(handler, "POST", "/logging?level=debug").status == 200);
  CHECK(f.log.levels().ToString() == "debug");
  CHECK(Ask(handler, "POST", "/logging?level=a=loud").status == 400);
  CHECK(Ask(handler, "POST", "/logging").status == 200);
}

}  // namespace aquifer::control
