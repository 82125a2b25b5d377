#include "redirect/manifest_source.h"

#include <filesystem>
#include <fstream>

#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

namespace aquifer::redirect {
namespace {

constexpr const char* kAmbient = R"(apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels:
    istio.io/dataplane-mode: ambient
)";

std::string PodText(const std::string& name) {
  return R"(apiVersion: v1
kind: Pod
metadata:
  name: )" +
         name + R"(
  namespace: shop
  annotations:
    aquifer.io/netns: ns-)" +
         name + R"(
spec:
  nodeName: node1
  serviceAccountName: sa
)";
}

class Directory {
 public:
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_.path / name) << text;
  }
  void Remove(const std::string& name) const { std::filesystem::remove(folder_.path / name); }
  ManifestSource Source() const {
    return ManifestSource({.directory = folder_.path, .node_name = "node1"});
  }
  // Takes every file for one that has been there for long.
  ManifestSource LaterSource(size_t total_bytes = 64 << 20) const {
    return ManifestSource(
        {.directory = folder_.path, .node_name = "node1", .total_bytes = total_bytes, .now = [] {
           return std::chrono::system_clock::now() + std::chrono::hours(1);
         }});
  }
  const std::filesystem::path& path() const { return folder_.path; }

 private:
  aquifer::test::TemporaryFolder folder_;
};

std::vector<std::string> Uids(const ManifestSource& source) {
  std::vector<std::string> uids;
  for (const auto& [uid, pod] : source.wanted()) uids.push_back(uid);
  return uids;
}

using Names = std::vector<std::string>;

PodManifest Pod(const std::string& node) {
  return {.info = {"p", "shop", "sa"}, .uid = "u", .node = node};
}

}  // namespace

TEST_CASE("a pod of this node in a labelled namespace is wanted with its namespace and account") {
  Directory directory;
  directory.Write("a.yaml", kAmbient);
  directory.Write("b.yaml", PodText("cart"));
  ManifestSource source = directory.Source();
  source.Look();
  CHECK(source.complete());
  REQUIRE(Uids(source) == Names{"shop/cart"});
  const WantedPod& pod = source.wanted().begin()->second;
  CHECK(pod.netns == "ns-cart");
  CHECK(pod.info == PodInfo{"cart", "shop", "sa"});
  CHECK(pod.rules == RuleOptions());
}

TEST_CASE("the pod's own label beats its namespace's") {
  const std::string ambient = "ambient";
  const std::string none = "none";
  PodManifest pod = Pod("node1");
  CHECK(IsEnrolled(pod, &ambient, "node1"));
  CHECK_FALSE(IsEnrolled(pod, &none, "node1"));
  CHECK_FALSE(IsEnrolled(pod, nullptr, "node1"));
  pod.mode = "none";
  CHECK_FALSE(IsEnrolled(pod, &ambient, "node1"));
  pod.mode = "ambient";
  CHECK(IsEnrolled(pod, &none, "node1"));
  CHECK(IsEnrolled(pod, nullptr, "node1"));
}

TEST_CASE("pods of the host's network, with a sidecar or of another node are never captured") {
  const std::string ambient = "ambient";
  PodManifest host = Pod("node1");
  host.host_network = true;
  CHECK_FALSE(IsEnrolled(host, &ambient, "node1"));
  PodManifest sidecar = Pod("node1");
  sidecar.has_sidecar = true;
  CHECK_FALSE(IsEnrolled(sidecar, &ambient, "node1"));
  CHECK_FALSE(IsEnrolled(Pod("node2"), &ambient, "node1"));
  CHECK_FALSE(IsEnrolled(Pod(""), &ambient, "node1"));
}

TEST_CASE("documents, lists and JSON of one file are all read") {
  const PodManifests read =
      ReadPodManifests(std::string(kAmbient) + "---\n" + PodText("a") + "--- # more\n" +
                       R"({"apiVersion": "v1", "kind": "List", "items": [
         {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b", "uid": "7"}},
         {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": [1]}}]})");
  CHECK(read.refusals.empty());
  REQUIRE(read.pods.size() == 2);
  CHECK(read.pods[0].uid == "shop/a");
  CHECK(read.pods[1].uid == "7");
  CHECK(read.pods[1].info == PodInfo{"b", "default", "default"});
  REQUIRE(read.namespaces.size() == 1);
  CHECK(read.namespaces[0].mode == "ambient");
}

TEST_CASE("a bad document names itself and its field and costs the others nothing") {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"kind: [", "document 2"},
      {"kind: Pod\napiVersion: v1\nmetadata: 5", "document 2: metadata"},
      {"kind: Pod\napiVersion: v1\nmetadata: {name: [a]}", "document 2: metadata.name"},
      {"kind: Pod\napiVersion: v1\nmetadata: {name: A/b}", "document 2: workload_info.name"},
      {"kind: Pod\napiVersion: v1\nmetadata: {name: a}\nspec: {hostNetwork: perhaps}",
       "document 2: spec.hostNetwork"},
      {"kind: Namespace\napiVersion: v1", "document 2: metadata.name"},
      {"kind: [Pod]\napiVersion: v1", "document 2"},
      {"- a\n- b", "document 2"},
      {"kind: List\napiVersion: v1\nitems: {a: b}", "document 2: items"},
      {"kind: List\napiVersion: v1\nitems: [{kind: List, items: []}]", "document 2: items[0]"},
      {std::string(300'000, '#'), "document 2"},
  };
  for (const auto& [text, field] : bad) {
    const PodManifests read =
        ReadPodManifests(PodText("a") + "---\n" + text + "\n---\n" + PodText("b"));
    INFO(text.substr(0, 100));
    CHECK(read.pods.size() == 2);
    REQUIRE(read.refusals.size() == 1);
    CHECK(read.refusals[0].field == field);
  }
}

TEST_CASE("annotations choose what is captured") {
  const PodManifests read = ReadPodManifests(R"(kind: Pod
apiVersion: v1
metadata:
  name: a
  annotations:
    ambient.istio.io/bypass-inbound-capture: "true"
    ambient.istio.io/dns-capture: "false"
    sidecar.istio.io/status: ""
)");
  REQUIRE(read.pods.size() == 1);
  CHECK(read.pods[0].bypass_inbound);
  CHECK_FALSE(read.pods[0].dns_capture);
  CHECK(read.pods[0].has_sidecar);
}

TEST_CASE("a pod to be captured without a namespace is refused by name") {
  Directory directory;
  directory.Write("a.yaml", std::string(kAmbient) +
                                "---\nkind: Pod\napiVersion: v1\nmetadata: {name: a, namespace: "
                                "shop}\nspec: {nodeName: node1}\n");
  ManifestSource source = directory.Source();
  source.Look();
  CHECK(source.wanted().empty());
  CHECK(source.complete());
  REQUIRE(source.refusals().size() == 1);
  CHECK(source.refusals()[0].field == "Pod shop/a");
}

TEST_CASE("what a file held stays while it cannot be read whole") {
  Directory directory;
  directory.Write("a.yaml", kAmbient);
  directory.Write("b.yaml", PodText("a") + "---\n" + PodText("b"));
  ManifestSource source = directory.Source();
  source.Look();
  REQUIRE(Uids(source) == Names{"shop/a", "shop/b"});
  directory.Write("b.yaml", PodText("a") + "---\nkind: [");
  source.Look();
  CHECK(Uids(source) == Names{"shop/a", "shop/b"});
  CHECK_FALSE(source.complete());
  directory.Write("b.yaml", PodText("b"));
  source.Look();
  CHECK(Uids(source) == Names{"shop/b"});
  CHECK(source.complete());
  directory.Write("a.yaml", "kind: {");
  source.Look();
  CHECK(Uids(source) == Names{"shop/b"});
}

TEST_CASE("a directory that cannot be read changes nothing, and is not taken for an empty one") {
  Directory directory;
  directory.Write("a.yaml", kAmbient + ("---\n" + PodText("a")));
  ManifestSource source = directory.Source();
  source.Look();
  REQUIRE(Uids(source) == Names{"shop/a"});
  std::filesystem::rename(directory.path(), directory.path().string() + "-away");
  source.Look();
  CHECK(Uids(source) == Names{"shop/a"});
  CHECK_FALSE(source.complete());
  std::filesystem::rename(directory.path().string() + "-away", directory.path());
}

TEST_CASE("the old name of the account's field counts where the new one says nothing") {
  const auto account = [](const std::string& spec) {
    const PodManifests read =
        ReadPodManifests("kind: Pod\napiVersion: v1\nmetadata: {name: a}\nspec: " + spec);
    REQUIRE(read.pods.size() == 1);
    return read.pods[0].info.service_account;
  };
  CHECK(account("{serviceAccount: old}") == "old");
  CHECK(account("{serviceAccountName: \"\", serviceAccount: old}") == "old");
  CHECK(account("{serviceAccountName: new, serviceAccount: old}") == "new");
  CHECK(account("{serviceAccountName: \"\"}") == "default");
  CHECK(account("{serviceAccountName: null, serviceAccount: null}") == "default");
}

TEST_CASE("a file is read again only when it has changed, and what was wrong with it stays told") {
  Directory directory;
  directory.Write("a.yaml", kAmbient);
  directory.Write("b.yaml", PodText("a") + "---\nkind: [");
  ManifestSource source = directory.LaterSource();
  source.Look();
  source.Look();
  CHECK(source.reads() == 2);
  CHECK(Uids(source) == Names{"shop/a"});
  CHECK(source.refusals().size() == 1);
  CHECK_FALSE(source.complete());
  directory.Write("b.yaml", PodText("b"));
  source.Look();
  CHECK(source.reads() == 3);
  CHECK(Uids(source) == Names{"shop/b"});
  CHECK(source.complete());
}

TEST_CASE("a file that changed a moment ago is read again even if it looks the same") {
  Directory directory;
  directory.Write("a.yaml", kAmbient + ("---\n" + PodText("a")));
  ManifestSource source = directory.Source();
  source.Look();
  directory.Write("a.yaml", kAmbient + ("---\n" + PodText("b")));
  source.Look();
  CHECK(source.reads() == 2);
  CHECK(Uids(source) == Names{"shop/b"});
}

TEST_CASE("bytes too many cost nothing that is captured, wherever they sort") {
  Directory directory;
  directory.Write("b.yaml", kAmbient);
  directory.Write("c.yaml", PodText("c"));
  ManifestSource source = directory.LaterSource(std::string(kAmbient).size() + PodText("c").size());
  source.Look();
  REQUIRE(Uids(source) == Names{"shop/c"});
  directory.Write("a.yaml", PodText("a"));
  directory.Write("c.yaml", PodText("a-longer-name"));
  source.Look();
  CHECK(Uids(source) == Names{"shop/a", "shop/c"});
  REQUIRE(source.refusals().size() == 1);
  CHECK(source.refusals()[0].field == "c.yaml");
  CHECK_FALSE(source.complete());
  directory.Remove("a.yaml");
  directory.Write("c.yaml", PodText("d"));
  source.Look();
  CHECK(Uids(source) == Names{"shop/d"});
  CHECK(source.complete());
}

TEST_CASE("a removed file takes its pods with it") {
  Directory directory;
  directory.Write("a.yaml", kAmbient);
  directory.Write("b.yaml", PodText("a"));
  ManifestSource source = directory.Source();
  source.Look();
  directory.Remove("b.yaml");
  source.Look();
  CHECK(source.wanted().empty());
  CHECK(source.complete());
}

TEST_CASE("only manifests are read, and a pipe with a manifest's name does not hang") {
  Directory directory;
  directory.Write("a.yaml", kAmbient);
  directory.Write(".b.yaml", PodText("hidden"));
  directory.Write("c.txt", PodText("text"));
  directory.Write("d.json", "{}");
  directory.Write("e.yml", PodText("yml"));
  std::filesystem::create_directory(directory.path() / "f.yaml");
  ManifestSource source = directory.Source();
  source.Look();
  CHECK(Uids(source) == Names{"shop/yml"});
  REQUIRE(source.refusals().size() == 1);
  CHECK(source.refusals()[0].ToString() == "f.yaml: is not a regular file");
}

namespace {

PodKey KeyOf(const std::string& uid) { return {.ns = "shop", .name = "cart", .uid = uid}; }

ManifestSource SourceWithPlugin(const Directory& directory) {
  return ManifestSource(
      {.directory = directory.path(), .node_name = "node1", .netns_from_plugin = true});
}

constexpr const char* kCartOfUid7 =
    "kind: Pod\napiVersion: v1\nmetadata: {name: cart, namespace: shop, uid: '7'}\n"
    "spec: {nodeName: node1}\n";

}  // namespace

TEST_CASE("a pod whose namespace the runtime will tell is kept apart and is no mistake") {
  Directory directory;
  directory.Write("a.yaml", kAmbient);
  directory.Write("b.yaml", kCartOfUid7);
  ManifestSource source = SourceWithPlugin(directory);
  source.Look();
  CHECK(source.wanted().empty());
  CHECK(source.refusals().empty());
  REQUIRE(source.without_netns().size() == 1);
  CHECK(source.without_netns().begin()->first == "7");
}

TEST_CASE("the verdict on a pod is that of its label and its namespace's") {
  Directory directory;
  directory.Write("a.yaml", kAmbient);
  directory.Write("b.yaml", kCartOfUid7);
  ManifestSource source = SourceWithPlugin(directory);
  CHECK_FALSE(source.Find(KeyOf("7")).has_value());
  source.Look();
  const std::optional<PodVerdict> in = source.Find(KeyOf("7"));
  REQUIRE(in.has_value());
  CHECK(in->enrolled);
  CHECK(in->pod.uid == "7");
  directory.Remove("a.yaml");
  source.Look();
  const std::optional<PodVerdict> out = source.Find(KeyOf("7"));
  REQUIRE(out.has_value());
  CHECK_FALSE(out->enrolled);
}

TEST_CASE("an older pod of the same name says nothing about the new one") {
  Directory directory;
  directory.Write("b.yaml", kCartOfUid7);
  ManifestSource source = SourceWithPlugin(directory);
  source.Look();
  CHECK_FALSE(source.Find(KeyOf("8")).has_value());
  directory.Write("b.yaml", PodText("cart"));  // of no uid
  source.Look();
  REQUIRE(source.Find(KeyOf("8")).has_value());
  CHECK(source.Find(KeyOf("8"))->pod.uid == "shop/cart");
}

TEST_CASE("there is no verdict while the pod's namespace may be in a file that cannot be read") {
  Directory directory;
  directory.Write("a.yaml", "kind: [");
  directory.Write("b.yaml", kCartOfUid7);
  ManifestSource source = SourceWithPlugin(directory);
  source.Look();
  CHECK_FALSE(source.Find(KeyOf("7")).has_value());
  directory.Write("a.yaml", kAmbient);
  source.Look();
  CHECK(source.Find(KeyOf("7")).has_value());
}

}  // namespace aquifer::redirect
