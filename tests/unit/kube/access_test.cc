#include "kube/access.h"

#include <map>

#include "absl/strings/escaping.h"
#include "tests/support/catch.h"

namespace aquifer::kube {
namespace {

const std::string kPem = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";

std::string Config(const std::string& cluster, const std::string& user) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: here\n"
         "contexts: [{name: there, context: {cluster: x, user: y}}, "
         "{name: here, context: {cluster: c, user: u}}]\n"
         "clusters: [{name: c, cluster: {" +
         cluster + "}}]\nusers: [{name: u, user: {" + user + "}}]\n";
}

std::string WhyNot(const std::string& cluster, const std::string& user) {
  const auto access = AccessFromKubeconfig(Config(cluster, user), "/etc/k");
  return access.ok() ? "" : access.error().ToString();
}

const std::string kServer = "server: 'https://h:1'";

Decoded<ClusterAccess> InPod(std::map<std::string, std::string> variables) {
  const Environment environment = [&](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
  return AccessInCluster(environment, "/sa");
}

}  // namespace

TEST_CASE("a kubeconfig with certificate data is read") {
  const std::string data = absl::Base64Escape(kPem);
  const auto access = AccessFromKubeconfig(
      Config("server: 'https://10.0.0.1:6443/', certificate-authority-data: " + data,
             "client-certificate-data: " + data + ", client-key-data: " + data),
      "/etc/k");
  REQUIRE(access.ok());
  CHECK(*access == ClusterAccess{.address = "10.0.0.1:6443",
                                 .host_name = "10.0.0.1",
                                 .path = "",
                                 .roots = kPem,
                                 .token = "",
                                 .certificate = kPem,
                                 .key = kPem});
}

TEST_CASE("another context than the current one can be named, and brings its namespace") {
  const std::string text =
      "current-context: a\n"
      "contexts: [{name: a, context: {cluster: c, user: u}}, "
      "{name: b, context: {cluster: d, user: u, namespace: shop}}]\n"
      "clusters: [{name: c, cluster: {server: 'https://c:1'}}, "
      "{name: d, cluster: {server: 'https://d:2'}}]\nusers: [{name: u, user: {token: t}}]\n";
  CHECK(AccessFromKubeconfig(text, ".")->address == "c:1");
  CHECK(AccessFromKubeconfig(text, ".")->name_space.empty());
  const auto other = AccessFromKubeconfig(text, ".", "b");
  REQUIRE(other.ok());
  CHECK(other->address == "d:2");
  CHECK(other->name_space == "shop");
  CHECK(AccessFromKubeconfig(text, ".", "z").error().ToString() ==
        "contexts: has no entry named \"z\"");
}

TEST_CASE("files of a kubeconfig stay paths, beside it where they are relative") {
  const auto access = AccessFromKubeconfig(
      Config("server: 'https://[::1]/k8s', certificate-authority: ca.crt, tls-server-name: api",
             "client-certificate: /x/c.crt, client-key: c.key, tokenFile: t"),
      "/etc/k");
  REQUIRE(access.ok());
  CHECK(access->address == "[::1]:443");
  CHECK(access->host_name == "api");
  CHECK(access->path == "/k8s");
  CHECK(access->roots == "/etc/k/ca.crt");
  CHECK(access->certificate == "/x/c.crt");
  CHECK(access->key == "/etc/k/c.key");
  CHECK(access->token == "/etc/k/t");
}

TEST_CASE("without roots the system's count, and a token may stand in the kubeconfig") {
  const auto access = AccessFromKubeconfig(Config(kServer, "token: abc"), "/etc/k");
  REQUIRE(access.ok());
  CHECK(access->roots == "SYSTEM");
  CHECK(access->token == "abc");
}

TEST_CASE("a kubeconfig that cannot be followed safely is refused by its field") {
  CHECK(WhyNot("server: 'http://h:1'", "token: t") ==
        "clusters[0].cluster.server: is not an https:// address");
  CHECK(WhyNot("server: 'https://h:1/a b'", "token: t") ==
        "clusters[0].cluster.server: is not of the form https://host:port");
  CHECK(WhyNot("server: 'https://h:0x1'", "token: t") ==
        "clusters[0].cluster.server: is not of the form https://host:port");
  CHECK(WhyNot(kServer + ", insecure-skip-tls-verify: true", "token: t") ==
        "clusters[0].cluster.insecure-skip-tls-verify: is not supported: the server would go "
        "unchecked");
  CHECK(WhyNot(kServer + ", certificate-authority-data: '%'", "token: t") ==
        "clusters[0].cluster.certificate-authority-data: is not PEM in base64");
  CHECK(WhyNot(kServer, "exec: {command: x}") == "users[0].user.exec: is not supported");
  CHECK(WhyNot(kServer, "token: a/b") ==
        "users[0].user.token: holds a slash; name its file by tokenFile");
  CHECK(WhyNot(kServer, "client-key: k") ==
        "users[0].user: client-certificate and client-key go together");
}

TEST_CASE("a kubeconfig without its context, cluster or user is refused") {
  CHECK(AccessFromKubeconfig("{}", "").error().ToString() == "current-context: is required");
  CHECK(AccessFromKubeconfig("{current-context: a}", "").error().ToString() ==
        "contexts: has no entry named \"a\"");
  CHECK(AccessFromKubeconfig("a: 1\n---\nb: 1\n", "").error().ToString() ==
        "is not exactly one document");
}

TEST_CASE("a pod finds its API server and its account") {
  const auto access =
      InPod({{"KUBERNETES_SERVICE_HOST", "10.96.0.1"}, {"KUBERNETES_SERVICE_PORT", "443"}});
  REQUIRE(access.ok());
  CHECK(*access == ClusterAccess{.address = "10.96.0.1:443",
                                 .host_name = "10.96.0.1",
                                 .path = "",
                                 .roots = "/sa/ca.crt",
                                 .token = "/sa/token",
                                 .certificate = "",
                                 .key = ""});
  const auto v6 =
      InPod({{"KUBERNETES_SERVICE_HOST", "fd00::1"}, {"KUBERNETES_SERVICE_PORT", "443"}});
  REQUIRE(v6.ok());
  CHECK(v6->address == "[fd00::1]:443");
}

TEST_CASE("outside a pod there is no cluster to be in") {
  CHECK(InPod({}).error().ToString() ==
        "KUBERNETES_SERVICE_HOST: is not set to a host: this is no pod");
  CHECK(InPod({{"KUBERNETES_SERVICE_HOST", "a"}}).error().ToString() ==
        "KUBERNETES_SERVICE_PORT: is not set to a port");
}

TEST_CASE("a kubeconfig that is not there is named") {
  CHECK(FindAccess("/nowhere/config").error().field == "/nowhere/config");
}

}  // namespace aquifer::kube
