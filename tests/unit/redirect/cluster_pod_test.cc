#include "redirect/cluster_pod.h"

#include "redirect/redirection_notes.h"
#include "tests/support/catch.h"

namespace aquifer::redirect {
namespace {

kube::Json PodOf(const char* metadata, const char* spec = "{}", const char* status = "{}") {
  kube::Json pod = {{"metadata", {{"name", "cart"}, {"namespace", "shop"}, {"uid", "u-1"}}},
                    {"spec", kube::Json::parse(spec)},
                    {"status", kube::Json::parse(status)}};
  pod["metadata"].update(kube::Json::parse(metadata));
  return pod;
}

std::string WhyNot(const kube::Json& object) {
  const auto pod = ReadClusterPod(object);
  return pod.ok() ? "" : pod.error().ToString();
}

}  // namespace

TEST_CASE("a pod is read as the API server sends it") {
  const auto read = ReadClusterPod(PodOf(
      R"({"labels": {"istio.io/dataplane-mode": "ambient"},
          "annotations": {"ambient.istio.io/bypass-inbound-capture": "true",
                          "ambient.istio.io/dns-capture": "false",
                          "ambient.istio.io/redirection": "pending", "other": "x\ny"}})",
      R"({"nodeName": "node1", "serviceAccountName": "sa", "hostNetwork": true})",
      R"({"phase": "Running"})"));
  REQUIRE(read.ok());
  CHECK(read->pod.info == PodInfo{"cart", "shop", "sa"});
  CHECK(read->pod.uid == "u-1");
  CHECK(read->pod.node == "node1");
  CHECK(read->pod.mode == "ambient");
  CHECK(read->pod.host_network);
  CHECK(read->pod.bypass_inbound);
  CHECK_FALSE(read->pod.dns_capture);
  CHECK_FALSE(read->pod.has_sidecar);
  CHECK(read->redirection == "pending");
  CHECK(read->running);
  CHECK_FALSE(read->ended);
  CHECK_FALSE(read->doubt.has_value());
}

TEST_CASE("a static pod is called by the hash of its configuration, too") {
  const auto read =
      ReadClusterPod(PodOf(R"({"annotations": {"kubernetes.io/config.hash": "c0ffee"}})"));
  REQUIRE(read.ok());
  CHECK(read->pod.uid == "u-1");
  CHECK(read->static_uid == "c0ffee");
}

TEST_CASE("a pod that says nothing has the defaults") {
  const auto read = ReadClusterPod(PodOf("{}"));
  REQUIRE(read.ok());
  CHECK(read->pod.info.service_account == "default");
  CHECK_FALSE(read->pod.mode.has_value());
  CHECK_FALSE(read->pod.bypass_inbound);
  CHECK(read->pod.dns_capture);
  CHECK(read->redirection.empty());
  CHECK(read->static_uid.empty());
  CHECK_FALSE(read->running);
}

TEST_CASE("a pod has ended when its phase says so") {
  CHECK(ReadClusterPod(PodOf("{}", "{}", R"({"phase": "Succeeded"})"))->ended);
  CHECK(ReadClusterPod(PodOf("{}", "{}", R"({"phase": "Failed"})"))->ended);
  CHECK_FALSE(ReadClusterPod(PodOf("{}", "{}", R"({"phase": "Pending"})"))->ended);
}

TEST_CASE("the status of a sidecar is not read, however long it is") {
  kube::Json pod = PodOf("{}");
  pod["metadata"]["annotations"]["sidecar.istio.io/status"] = std::string(100'000, '\n');
  const auto read = ReadClusterPod(pod);
  REQUIRE(read.ok());
  CHECK(read->pod.has_sidecar);
}

TEST_CASE("a setting that says neither true nor false counts as absent and is named") {
  const auto read = ReadClusterPod(
      PodOf(R"({"annotations": {"ambient.istio.io/bypass-inbound-capture": "yes"}})"));
  REQUIRE(read.ok());
  CHECK_FALSE(read->pod.bypass_inbound);
  REQUIRE(read->doubt.has_value());
  CHECK(read->doubt->field == "metadata.annotations.ambient.istio.io/bypass-inbound-capture");
}

TEST_CASE("a pod without names that can go into a path is refused by the field") {
  CHECK(WhyNot(PodOf(R"({"name": "a/../b"})")) == "metadata.name: is not the name of an object");
  CHECK(WhyNot(PodOf(R"({"namespace": "a.b"})")) ==
        "metadata.namespace: is not the name of a namespace");
  CHECK(WhyNot(PodOf(R"({"uid": ""})")) == "metadata.uid: is required");
  CHECK(WhyNot(PodOf("{}", R"({"hostNetwork": "no"})")) ==
        "spec.hostNetwork: expected true or false, got text");
  CHECK(WhyNot(kube::Json::array()) == "expected a mapping, got a list");
}

TEST_CASE("a namespace has a name and perhaps a mode") {
  const auto plain = ReadClusterNamespace({{"metadata", {{"name", "shop"}}}});
  REQUIRE(plain.ok());
  CHECK(plain->name == "shop");
  CHECK_FALSE(plain->mode.has_value());
  const auto enrolled = ReadClusterNamespace(
      {{"metadata", {{"name", "shop"}, {"labels", {{"istio.io/dataplane-mode", "ambient"}}}}}});
  REQUIRE(enrolled.ok());
  CHECK(enrolled->mode == "ambient");
  CHECK_FALSE(ReadClusterNamespace({{"metadata", {{"name", ""}}}}).ok());
}

TEST_CASE("what has become of a pod is patched for that pod and no other of its name") {
  const auto patch = [](Redirection redirection) {
    return kube::Json::parse(RedirectionPatch("u-1", redirection));
  };
  const auto expected = [](const kube::Json& value) {
    return kube::Json{
        {"metadata", {{"uid", "u-1"}, {"annotations", {{"ambient.istio.io/redirection", value}}}}}};
  };
  CHECK(patch(Redirection::kEnabled) == expected("enabled"));
  CHECK(patch(Redirection::kPending) == expected("pending"));
  CHECK(patch(Redirection::kNone) == expected(nullptr));
}

}  // namespace aquifer::redirect
