#include "control/config.h"

#include <vector>

#include "tests/support/catch.h"

namespace aquifer::control {
namespace {

Decoded<ControlConfig> Parse(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  return ParseFlags(arguments);
}

std::string WhyNot(std::vector<std::string> words) {
  const auto config = Parse(std::move(words));
  return config.ok() ? "" : config.error().ToString();
}

}  // namespace

TEST_CASE("flags are read, joined or apart") {
  const auto config = Parse({"--manifests",        "m",
                             "--state=s",          "--listen",
                             "127.0.0.1:1",        "--admin=[::1]:2",
                             "--trust-domain",     "td",
                             "--cluster-id",       "c",
                             "--network",          "n",
                             "--root-namespace",   "r",
                             "--cluster-domain",   "d.e",
                             "--missing-waypoint", "bypass",
                             "--log-format",       "json",
                             "--log-level",        "debug",
                             "--io-backend",       "epoll"});
  REQUIRE(config.ok());
  CHECK(config->manifests == "m");
  CHECK(config->state == "s");
  CHECK(config->listen.ToString() == "127.0.0.1:1");
  CHECK(config->admin.ToString() == "[::1]:2");
  CHECK(config->mesh.trust_domain == "td");
  CHECK(config->mesh.cluster_id == "c");
  CHECK(config->mesh.network == "n");
  CHECK(config->mesh.root_namespace == "r");
  CHECK(config->mesh.cluster_domain == "d.e");
  CHECK(config->mesh.missing_waypoint == MeshSettings::MissingWaypoint::kBypass);
  CHECK(config->log_format == obs::LogFormat::kJson);
  CHECK(config->log_levels == "debug");
  CHECK(config->io_backend == BackendKind::kEpoll);
}

TEST_CASE("deployments are for a cluster") {
  const auto config =
      Parse({"--kubernetes", "in-cluster", "--gateway-image", "aquifer:1", "--root-config-map",
             "roots", "--control-address", "control.test:1", "--token-audience", "mesh"});
  REQUIRE(config.ok());
  CHECK(config->deploy.image == "aquifer:1");
  CHECK(config->deploy.root_config_map == "roots");
  CHECK(config->deploy.control_address == "control.test:1");
  CHECK(config->deploy.token_audience == "mesh");
  CHECK(WhyNot({"--manifests", "m", "--gateway-image", "i"}) ==
        "--gateway-image: is for --kubernetes");
  CHECK(WhyNot({"--kubernetes", "in-cluster", "--root-config-map", "A B"}) ==
        "--root-config-map: is not NAME: A B");
  CHECK(WhyNot({"--kubernetes", "in-cluster", "--control-address", "here"}) ==
        "--control-address: is not HOST:PORT: here");
}

TEST_CASE("a bad flag is named in a sentence") {
  CHECK(WhyNot({}) == "--manifests: or --kubernetes is needed");
  CHECK(WhyNot({"--manifests", "m", "--kubernetes", "in-cluster"}) ==
        "--kubernetes: and --manifests exclude each other");
  CHECK(WhyNot({"--check", "--kubernetes", "in-cluster"}) == "--check: is for --manifests");
  CHECK(WhyNot({"--manifests", "m", "--captured-by", "magic"}) ==
        "--captured-by: is not labels|annotation: magic");
  CHECK(WhyNot({"--manifest", "m"}) == "--manifest: is no flag here");
  CHECK(WhyNot({"--manifests"}) == "--manifests: needs DIR");
  CHECK(WhyNot({"--manifests", ""}) == "--manifests: needs DIR");
  CHECK(WhyNot({"--manifests", "m", "--listen", "15012"}) == "--listen: is not IP:PORT: 15012");
  CHECK(WhyNot({"--manifests", "m", "--trust-domain", "UPPER"}) ==
        "--trust-domain: is not NAME: UPPER");
  CHECK(WhyNot({"--manifests", "m", "--missing-waypoint", "no"}) ==
        "--missing-waypoint: is not refuse|bypass: no");
  CHECK(WhyNot({"--manifests", "m", "--io-backend", "select"}) ==
        "--io-backend: is not auto|io_uring|epoll: select");
  CHECK(WhyNot({"--manifests", "m", "--log-format", "xml"}) ==
        "--log-format: is not text|json: xml");
}

TEST_CASE("what says that a pod is captured depends on where the pods come from") {
  using Capture = MeshSettings::Capture;
  CHECK(Parse({"--manifests", "m"})->mesh.capture == Capture::kLabels);
  CHECK(Parse({"--kubernetes", "k"})->mesh.capture == Capture::kAnnotation);
  CHECK(Parse({"--kubernetes", "k"})->kubernetes == "k");
  CHECK(Parse({"--kubernetes", "k", "--captured-by", "labels"})->mesh.capture == Capture::kLabels);
  CHECK(Parse({"--captured-by=annotation", "--manifests", "m"})->mesh.capture ==
        Capture::kAnnotation);
}

TEST_CASE("whose Istio's class names are depends on whether there may be an Istio") {
  using Owner = MeshSettings::ClassOwner;
  CHECK(Parse({"--manifests", "m"})->mesh.class_owner == Owner::kAquifer);
  CHECK(Parse({"--kubernetes", "k"})->mesh.class_owner == Owner::kAuto);
  CHECK(Parse({"--kubernetes", "k", "--class-owner", "istio"})->mesh.class_owner == Owner::kIstio);
  CHECK(Parse({"--kubernetes", "k", "--class-owner", "aquifer"})->mesh.class_owner ==
        Owner::kAquifer);
  CHECK(WhyNot({"--kubernetes", "k", "--class-owner", "me"}) ==
        "--class-owner: is not auto|aquifer|istio: me");
}

TEST_CASE("a cluster is written to unless that is off") {
  CHECK(Parse({"--kubernetes", "k"})->cluster_writes);
  CHECK_FALSE(Parse({"--kubernetes", "k", "--cluster-writes", "off"})->cluster_writes);
  CHECK(WhyNot({"--kubernetes", "k", "--cluster-writes", "no"}) ==
        "--cluster-writes: is not on|off: no");
  CHECK(Parse({"--kubernetes", "k", "--leader-namespace", "here"})->leader_namespace == "here");
  CHECK(WhyNot({"--kubernetes", "k", "--leader-namespace", "No"}) ==
        "--leader-namespace: is not NAME: No");
}

TEST_CASE("accounts of node proxies are a list of namespaces and names") {
  const auto config = Parse({"--kubernetes", "k", "--node-accounts", "a/b,c/d"});
  REQUIRE(config.ok());
  CHECK(config->node_accounts ==
        std::set<std::pair<std::string, std::string>>{{"a", "b"}, {"c", "d"}});
  for (const char* bad : {"a", "a/", "/b", "a/b,", "a/b/c", "A/b"}) {
    INFO(bad);
    CHECK(WhyNot({"--kubernetes", "k", "--node-accounts", bad}) ==
          "--node-accounts: is not NAMES: " + std::string(bad));
  }
}

TEST_CASE("help and check need little") {
  CHECK(Parse({"--help"})->help);
  CHECK(Parse({"--check", "--manifests", "m"})->check);
  CHECK(HelpText().find("--manifests DIR") != std::string::npos);
}

TEST_CASE("the Secret of the CA is named with its namespace, and only on a cluster") {
  const auto config = Parse({"--kubernetes", "in-cluster", "--ca-secret", "mesh/ca"});
  REQUIRE(config.ok());
  CHECK(config->ca_secret == std::pair<std::string, std::string>("mesh", "ca"));
  CHECK(WhyNot({"--kubernetes", "in-cluster", "--ca-secret", "ca"}).starts_with("--ca-secret"));
  CHECK(WhyNot({"--manifests", "m", "--ca-secret", "mesh/ca"}).starts_with("--ca-secret"));
}

}  // namespace aquifer::control
