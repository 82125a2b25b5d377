#include "control/source/directory.h"

#include <sys/stat.h>

#include "tests/support/catch.h"
#include "tests/unit/control/source/files.h"

namespace aquifer::control {
namespace {

bool Reread(ManifestDirectory& directory, const std::set<std::string>& being_written = {}) {
  directory.Read(being_written);
  return directory.Commit(being_written);
}

std::string Names(const Observation& seen) {
  std::string names;
  for (const auto& [key, object] : seen.objects.namespaces)
    names += (names.empty() ? "" : " ") + key.second;
  return names;
}

std::vector<std::string> Refusals(const Observation& seen) {
  std::vector<std::string> lines;
  for (const ManifestRefusal& refusal : seen.refusals) lines.push_back(refusal.ToString());
  return lines;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("the manifests of a directory are read, in the order of their names") {
  const TestDirectory files;
  files.Write("20-b.yaml", NamespaceYaml("b"));
  files.Write("10-a.yml", NamespaceYaml("a"));
  files.Write("30-c.json",
              R"({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "c"}})");
  files.Write("README.md", "not a manifest");
  files.Write(".hidden.yaml", "not one either");
  files.Write("a.yaml~", "nor a backup");
  ManifestDirectory directory(files.path());
  CHECK(Reread(directory));
  CHECK(Names(directory.Observe()) == "a b c");
  CHECK(directory.Observe().refusals.empty());
  CHECK_FALSE(Reread(directory));
}

TEST_CASE("a file that changes, comes or goes changes the objects") {
  const TestDirectory files;
  files.Write("a.yaml", NamespaceYaml("a"));
  ManifestDirectory directory(files.path());
  Reread(directory);
  files.Write("a.yaml", NamespaceYaml("b"));
  files.Write("c.yaml", NamespaceYaml("c"));
  CHECK(Reread(directory));
  CHECK(Names(directory.Observe()) == "b c");
  files.Remove("c.yaml");
  directory.Read({});
  CHECK(directory.LosesFiles());
  CHECK(directory.Commit({}));
  CHECK(Names(directory.Observe()) == "b");
}

TEST_CASE("an object that is refused now stays as it was, whatever else its file holds") {
  const TestDirectory files;
  files.Write("a.yaml", NamespaceYaml("a") + "---\n" + NamespaceYaml("b"));
  ManifestDirectory directory(files.path());
  Reread(directory);
  files.Write("a.yaml",
              NamespaceYaml("c") +
                  "---\n{apiVersion: v1, kind: Namespace, metadata: {name: b, labels: 5}}\n");
  CHECK(Reread(directory));
  const Observation seen = directory.Observe();
  CHECK(Names(seen) == "b c");
  CHECK(seen.kept == 1);
  REQUIRE(seen.refusals.size() == 1);
  files.Write("a.yaml", NamespaceYaml("c"));
  CHECK(Reread(directory));
  CHECK(Names(directory.Observe()) == "c");
  CHECK(directory.Observe().kept == 0);
}

TEST_CASE("a document beyond recognition keeps all that is missing, for as long as it stays") {
  const TestDirectory files;
  files.Write("a.yaml", NamespaceYaml("a") + "---\n" + NamespaceYaml("b"));
  ManifestDirectory directory(files.path());
  Reread(directory);
  files.Write("a.yaml", NamespaceYaml("a") + "---\n{apiVersion: v1, kind: [\n");
  Reread(directory);
  CHECK(Names(directory.Observe()) == "a b");
  files.Write("a.yaml", "{{{\n");
  Reread(directory);
  CHECK(Names(directory.Observe()) == "a b");
  files.Write("a.yaml", "");
  Reread(directory);
  CHECK(Names(directory.Observe()).empty());
}

TEST_CASE("a kept object gives way to the same object in another file") {
  const TestDirectory files;
  files.Write("a.yaml", NamespaceYaml("a"));
  ManifestDirectory directory(files.path());
  Reread(directory);
  files.Write("a.yaml", "{{{\n");
  files.Write("b.yaml", "{apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {x: y}}}");
  Reread(directory);
  const Observation seen = directory.Observe();
  CHECK(seen.kept == 0);
  CHECK(FindObject(seen.objects.namespaces, "", "a")->meta.labels.contains("x"));
  CHECK(seen.refusals.size() == 1);
}

TEST_CASE("of an object that is written twice the first counts") {
  const TestDirectory files;
  files.Write("a.yaml", NamespaceYaml("a"));
  files.Write("b.yaml", NamespaceYaml("a") + "---\n" + NamespaceYaml("b"));
  ManifestDirectory directory(files.path());
  Reread(directory);
  CHECK(Names(directory.Observe()) == "a b");
  CHECK(Refusals(directory.Observe()) ==
        Lines{"b.yaml: Namespace a is in a.yaml already; that one counts"});
}

TEST_CASE("what cannot be read keeps what was read before") {
  const TestDirectory files;
  files.Write("a.yaml", NamespaceYaml("a"));
  ManifestDirectory directory(files.path(), "", {.file_bytes = 100});
  Reread(directory);
  files.Write("a.yaml", NamespaceYaml("b") + std::string(200, '#'));
  Reread(directory);
  CHECK(Names(directory.Observe()) == "a");
  CHECK(Refusals(directory.Observe()) == Lines{"a.yaml: is larger than 100 bytes"});
  files.Write("a.yaml", NamespaceYaml("a"));
  CHECK(Reread(directory));
  CHECK(directory.Observe().refusals.empty());
}

TEST_CASE("a policy that was never good denies until it is, and one that was good stays") {
  const auto policy = [](const std::string& action) {
    return "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
           "metadata: {name: p, namespace: default}\n"
           "spec: {selector: {matchLabels: {app: a}}, action: " +
           action + ", rules: [{}]}\n";
  };
  const TestDirectory files;
  ManifestDirectory directory(files.path());
  const auto seen = [&](const std::string& action) {
    files.Write("p.yaml", policy(action));
    Reread(directory);
    return directory.Observe();
  };
  const Observation closed = seen("PERHAPS");
  REQUIRE(closed.objects.authorization_policies.size() == 1);
  const AuthorizationPolicy& in_force = closed.objects.authorization_policies.begin()->second;
  CHECK(closed.closed == 1);
  CHECK(in_force.action == AuthorizationPolicy::Action::kDeny);
  CHECK(in_force.rules.size() == 1);
  CHECK(in_force.selector == Labels{{"app", "a"}});
  CHECK(seen("ALLOW").closed == 0);
  const Observation kept = seen("PERHAPS");
  CHECK(kept.closed == 0);
  CHECK(kept.kept == 1);
  CHECK(kept.objects.authorization_policies.begin()->second.action ==
        AuthorizationPolicy::Action::kAllow);
}

TEST_CASE("a link is followed inside the directory and not out of it") {
  const TestDirectory files;
  std::filesystem::create_directory(files.Of("..data"));
  files.Write("..data/a.yaml", NamespaceYaml("a"));
  std::filesystem::create_symlink("..data/a.yaml", files.Of("a.yaml"));
  std::filesystem::create_symlink("/etc/passwd", files.Of("b.yaml"));
  std::filesystem::create_symlink("../../../../../etc/passwd", files.Of("c.yaml"));
  ManifestDirectory directory(files.path());
  Reread(directory);
  CHECK(Names(directory.Observe()) == "a");
  CHECK(Refusals(directory.Observe()) == Lines{"b.yaml: is a link that leads out of the folder",
                                               "c.yaml: is a link that leads out of the folder"});
}

TEST_CASE("a pipe with the name of a manifest does not block") {
  const TestDirectory files;
  REQUIRE(::mkfifo(files.Of("a.yaml").c_str(), 0600) == 0);
  std::filesystem::create_directory(files.Of("b.yaml"));
  std::filesystem::create_symlink("nowhere", files.Of("c.yaml"));
  ManifestDirectory directory(files.path());
  Reread(directory);
  CHECK(Refusals(directory.Observe()) ==
        Lines{"a.yaml: is not a regular file", "b.yaml: is not a regular file",
              "c.yaml: cannot be opened: No such file or directory"});
}

TEST_CASE("a directory that goes away leaves its objects") {
  const TestDirectory files;
  const std::string path = files.Of("manifests");
  std::filesystem::create_directory(path);
  files.Write("manifests/a.yaml", NamespaceYaml("a"));
  ManifestDirectory directory(path);
  Reread(directory);
  std::filesystem::remove_all(path);
  CHECK(Reread(directory));
  CHECK(Names(directory.Observe()) == "a");
  CHECK(Refusals(directory.Observe()) ==
        Lines{path + ": cannot be read: No such file or directory"});
}

TEST_CASE("files and bytes are bounded") {
  const TestDirectory files;
  for (const char* name : {"a", "b", "c"})
    files.Write(std::string(name) + ".yaml", NamespaceYaml(name));
  ManifestDirectory two(files.path(), "", {.files = 2});
  Reread(two);
  CHECK(Names(two.Observe()) == "a b");
  CHECK(two.Observe().refusals.size() == 1);
  ManifestDirectory small(files.path(), "", {.total_bytes = 2 * NamespaceYaml("a").size()});
  Reread(small);
  CHECK(Names(small.Observe()) == "a b");
  CHECK(small.Observe().refusals.size() == 1);
}

TEST_CASE("a file too many withdraws nothing that is in force") {
  const TestDirectory files;
  files.Write("b.yaml", NamespaceYaml("b"));
  files.Write("c.yaml", NamespaceYaml("c"));
  ManifestDirectory directory(files.path(), "", {.files = 2});
  Reread(directory);
  files.Write("a.yaml", NamespaceYaml("a"));
  CHECK(Reread(directory));
  CHECK(Names(directory.Observe()) == "b c");
  CHECK(Refusals(directory.Observe()) ==
        Lines{files.path() +
              ": has more than 2 manifests; those that were not read before are left out"});
  files.Write("c.yaml", NamespaceYaml("changed"));
  CHECK(Reread(directory));
  CHECK(Names(directory.Observe()) == "b changed");
  files.Remove("b.yaml");
  CHECK(Reread(directory));
  CHECK(Names(directory.Observe()) == "a changed");
  CHECK(directory.Observe().refusals.empty());
}

TEST_CASE("a file that is renamed while there are too many stays in force") {
  const TestDirectory files;
  for (const char* name : {"b", "c"}) files.Write(std::string(name) + ".yaml", NamespaceYaml(name));
  ManifestDirectory directory(files.path(), "", {.files = 2});
  Reread(directory);
  files.Write("a.yaml", NamespaceYaml("a"));
  std::filesystem::rename(files.Of("c.yaml"), files.Of("d.yaml"));
  Reread(directory);
  CHECK(Names(directory.Observe()) == "b c");
}

TEST_CASE("of too many files at the start those count that an earlier process read") {
  const TestDirectory files, memory;
  files.Write("y.yaml", NamespaceYaml("y"));
  files.Write("z.yaml", NamespaceYaml("z"));
  {
    ManifestDirectory directory(files.path(), memory.Of("m"), {.files = 3});
    Reread(directory);
  }
  files.Write("a.yaml", NamespaceYaml("a"));
  files.Write("b.yaml", NamespaceYaml("b"));
  ManifestDirectory directory(files.path(), memory.Of("m"), {.files = 3});
  Reread(directory);
  CHECK(Names(directory.Observe()) == "a y z");
  CHECK_FALSE(Reread(directory));
}

TEST_CASE("a file that is being written counts as it was before") {
  const TestDirectory files;
  files.Write("a.yaml", NamespaceYaml("a"));
  ManifestDirectory directory(files.path());
  Reread(directory);
  files.Write("a.yaml", "");
  files.Write("b.yaml", NamespaceYaml("b"));
  CHECK_FALSE(Reread(directory, {"a.yaml", "b.yaml"}));
  CHECK(Names(directory.Observe()) == "a");
  directory.Read({});
  CHECK_FALSE(directory.Commit({"a.yaml", "b.yaml"}));
  CHECK(Names(directory.Observe()) == "a");
  CHECK(Reread(directory));
  CHECK(Names(directory.Observe()) == "b");
}

TEST_CASE("a mistake that is there at the start costs nothing that an earlier process knew") {
  const TestDirectory files, memory;
  files.Write("a.yaml", NamespaceYaml("a") + "---\n" + NamespaceYaml("b"));
  {
    ManifestDirectory directory(files.path(), memory.Of("m"));
    Reread(directory);
  }
  files.Write("a.yaml", NamespaceYaml("c") + "---\n{{{\n");
  ManifestDirectory directory(files.path(), memory.Of("m"));
  Reread(directory);
  CHECK(Names(directory.Observe()) == "a b c");
  CHECK(directory.Observe().kept == 2);
  CHECK_FALSE(Reread(directory));
  files.Write("a.yaml", NamespaceYaml("c"));
  Reread(directory);
  ManifestDirectory next(files.path(), memory.Of("m"));
  files.Write("a.yaml", "{{{\n");
  Reread(next);
  CHECK(Names(next.Observe()) == "c");
}

TEST_CASE("a file that cannot be read at the start counts as an earlier process read it") {
  const TestDirectory files, memory;
  files.Write("a.yaml", NamespaceYaml("a"));
  {
    ManifestDirectory directory(files.path(), memory.Of("m"));
    Reread(directory);
  }
  files.Write("a.yaml", NamespaceYaml("a") + std::string(200, '#'));
  ManifestDirectory directory(files.path(), memory.Of("m"), {.file_bytes = 100});
  Reread(directory);
  CHECK(Names(directory.Observe()) == "a");
}

TEST_CASE("a file that is gone is forgotten") {
  const TestDirectory files, memory;
  files.Write("a.yaml", NamespaceYaml("a"));
  ManifestDirectory directory(files.path(), memory.Of("m"));
  Reread(directory);
  files.Remove("a.yaml");
  Reread(directory);
  files.Write("a.yaml", "{{{\n");
  ManifestDirectory next(files.path(), memory.Of("m"));
  Reread(next);
  CHECK(Names(next.Observe()).empty());
}

TEST_CASE("a half written file is not remembered") {
  const TestDirectory files, memory;
  files.Write("a.yaml", NamespaceYaml("a"));
  ManifestDirectory directory(files.path(), memory.Of("m"));
  directory.Read({});
  directory.Commit({"a.yaml"});
  CHECK_FALSE(std::filesystem::exists(memory.Of("m/a.yaml")));
  Reread(directory);
  CHECK(std::filesystem::exists(memory.Of("m/a.yaml")));
}

TEST_CASE("a memory that cannot be written is a problem and no obstacle") {
  const TestDirectory files;
  files.Write("a.yaml", NamespaceYaml("a"));
  ManifestDirectory directory(files.path(), files.Of("missing/m"));
  Reread(directory);
  CHECK(Names(directory.Observe()) == "a");
  CHECK(Refusals(directory.Observe()).size() == 1);
}

}  // namespace aquifer::control
