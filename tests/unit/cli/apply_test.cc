#include <sys/stat.h>

#include "cli/apply/plan.h"
#include "cli/commands.h"
#include "cli/dispatch.h"
#include "tests/support/catch.h"
#include "tests/unit/cli/support.h"
#include "tests/unit/control/source/files.h"

namespace aquifer::cli {
namespace {

using control::NamespaceYaml;
using control::TestDirectory;

std::string ServiceYaml(const std::string& name, int port) {
  return "{apiVersion: v1, kind: Service, metadata: {name: " + name +
         ", namespace: shop}, spec: {clusterIP: 10.96.0.1, ports: [{port: " + std::to_string(port) +
         "}]}}\n";
}

struct Ran {
  int status = 0;
  std::string text;
  std::string errors;
};

Ran Apply(const std::vector<std::string>& words) {
  Captured captured;
  std::vector<std::string_view> all = {"apply"};
  all.insert(all.end(), words.begin(), words.end());
  const Environment none = [](const char*) { return std::optional<std::string>(); };
  const int status = Dispatch(all, Commands(), none, captured.out);
  return {status, captured.text(), captured.errors()};
}

std::string Read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

size_t CountOf(const TestDirectory& folder) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path()))
    ++count;
  return count;
}

}  // namespace

TEST_CASE("without a folder apply says what a cluster needs, and is misuse") {
  const Ran ran = Apply({"-f", "x.yaml"});
  CHECK(ran.status == kExitMisuse);
  CHECK(ran.errors.find("kubectl apply -f") != std::string::npos);
}

TEST_CASE("each object becomes a file, and a second time nothing changes") {
  const TestDirectory input;
  const TestDirectory folder;
  input.Write("a.yaml", NamespaceYaml("shop") + "---\n" + ServiceYaml("web", 80));
  const std::vector<std::string> words = {"-f", input.path(), "--manifests", folder.path()};
  const Ran first = Apply(words);
  CHECK(first.status == 0);
  CHECK(first.text ==
        "Namespace shop new, namespace.shop.yaml\nService shop/web new, service.shop.web.yaml\n");
  CHECK(CountOf(folder) == 2);
  const Ran again = Apply(words);
  CHECK(again.text ==
        "Namespace shop unchanged, namespace.shop.yaml\n"
        "Service shop/web unchanged, service.shop.web.yaml\n");
  input.Write("a.yaml", NamespaceYaml("shop") + "---\n" + ServiceYaml("web", 81));
  const Ran changed = Apply(words);
  CHECK(changed.text.find("Service shop/web changed") != std::string::npos);
  CHECK(changed.text.find("Namespace shop unchanged") != std::string::npos);
  CHECK(Read(folder.Of("service.shop.web.yaml")).find("81") != std::string::npos);
}

TEST_CASE("items of a List become files of their own") {
  const TestDirectory input;
  const TestDirectory folder;
  input.Write("a.json", R"({"apiVersion": "v1", "kind": "List", "items": [
      {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}},
      {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "b"}}]})");
  CHECK(Apply({"-f", input.Of("a.json"), "--manifests", folder.path()}).status == 0);
  CHECK(Read(folder.Of("namespace.b.yaml")).find("name: b") != std::string::npos);
  CHECK(CountOf(folder) == 2);
}

TEST_CASE("one object that is refused keeps all from being written, and is named") {
  const TestDirectory input;
  const TestDirectory folder;
  input.Write("a.yaml", NamespaceYaml("shop") +
                            "---\n{apiVersion: v1, kind: Namespace, metadata: {name: b, labels: "
                            "5}}\n");
  const Ran ran = Apply({"-f", input.Of("a.yaml"), "--manifests", folder.path()});
  CHECK(ran.status == kExitBad);
  CHECK(ran.errors.find("a.yaml, document 2 (line ") != std::string::npos);
  CHECK(ran.errors.find(", Namespace b: metadata.labels") != std::string::npos);
  CHECK(CountOf(folder) == 0);
}

TEST_CASE("a name cannot lead out of the folder") {
  const TestDirectory input;
  const TestDirectory folder;
  for (const char* metadata : {"{name: ../../escaped}", "{name: x, namespace: ../..}",
                               "{name: x, namespace: /tmp}", "{name: .hidden}"}) {
    INFO(metadata);
    input.Write("a.yaml", std::string("{apiVersion: v1, kind: ServiceAccount, metadata: ") +
                              metadata + "}\n");
    CHECK(Apply({"-f", input.Of("a.yaml"), "--manifests", folder.path()}).status == kExitBad);
  }
  CHECK(CountOf(folder) == 0);
}

TEST_CASE("a name that is too long for a file is cut, and two such names stay two files") {
  const std::string alike(240, 'a');
  const control::ObjectKey one{control::Kind::kService, "shop", alike + "b"};
  const control::ObjectKey other{control::Kind::kService, "shop", alike + "c"};
  CHECK(ManifestFileName(one).size() < 200);
  CHECK(ManifestFileName(one) != ManifestFileName(other));
  CHECK(ManifestFileName(one).ends_with(".yaml"));
}

TEST_CASE("what a file of another holds is left as it is") {
  const TestDirectory input;
  const TestDirectory folder;
  folder.Write("by-hand.yaml", ServiceYaml("web", 80));
  input.Write("a.yaml", ServiceYaml("web", 80));
  const std::vector<std::string> words = {"-f", input.Of("a.yaml"), "--manifests", folder.path()};
  CHECK(Apply(words).text == "Service shop/web unchanged, by-hand.yaml\n");
  input.Write("a.yaml", ServiceYaml("web", 81));
  const Ran other = Apply(words);
  CHECK(other.status == kExitBad);
  CHECK(other.errors.find("Service shop/web is in by-hand.yaml") != std::string::npos);
  folder.Remove("by-hand.yaml");
  folder.Write("service.shop.web.yaml", ServiceYaml("web", 80) + "---\n" + NamespaceYaml("more"));
  CHECK(Apply(words).status == kExitBad);
  CHECK(Read(folder.Of("service.shop.web.yaml")).find("more") != std::string::npos);
}

TEST_CASE("an object that is given twice is refused") {
  const TestDirectory input;
  const TestDirectory folder;
  input.Write("a.yaml", NamespaceYaml("shop"));
  input.Write("b.yaml", NamespaceYaml("shop"));
  const Ran ran = Apply({"-f", input.path(), "--manifests", folder.path()});
  CHECK(ran.status == kExitBad);
  CHECK(ran.errors.find("b.yaml, Namespace shop: is in") != std::string::npos);
}

TEST_CASE("a dry run tells and writes nothing") {
  const TestDirectory input;
  const TestDirectory folder;
  input.Write("a.yaml", NamespaceYaml("shop"));
  const Ran ran =
      Apply({"-f", input.Of("a.yaml"), "--manifests", folder.path(), "--dry-run", "-o", "json"});
  CHECK(ran.status == 0);
  const kube::Json told = kube::Json::parse(ran.text);
  CHECK(told["dryRun"] == true);
  CHECK(told["objects"][0]["state"] == "new");
  CHECK(told["objects"][0]["file"] == "namespace.shop.yaml");
  CHECK(CountOf(folder) == 0);
}

TEST_CASE("no object of the mesh is no success, and kinds that are not read are told") {
  const TestDirectory input;
  const TestDirectory folder;
  input.Write("a.yaml", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}\n");
  const Ran ran = Apply({"-f", input.Of("a.yaml"), "--manifests", folder.path()});
  CHECK(ran.status == kExitBad);
  CHECK(ran.errors.find("apps/v1 Deployment is left out") != std::string::npos);
  CHECK(Apply({"-f", input.Of("a.yaml"), "--manifests", folder.Of("none")}).status == kExitBad);
  input.Write("a.yaml", NamespaceYaml("shop"));
  CHECK(Apply({"-f", input.Of("a.yaml"), "--manifests", folder.Of("none")}).status == kExitMisuse);
}

TEST_CASE("a file that was written can be read by everyone and leaves nothing beside it") {
  const TestDirectory input;
  const TestDirectory folder;
  input.Write("a.yaml", NamespaceYaml("shop"));
  REQUIRE(Apply({"-f", input.Of("a.yaml"), "--manifests", folder.path()}).status == 0);
  struct stat info = {};
  REQUIRE(::stat(folder.Of("namespace.shop.yaml").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0644);
  CHECK(CountOf(folder) == 1);
}

}  // namespace aquifer::cli
