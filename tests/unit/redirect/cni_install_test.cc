#include "redirect/cni_install.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "core/rt/scope.h"
#include "tests/support/quiet_log.h"
#include "tests/support/run_task.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/until.h"

namespace aquifer::redirect {
namespace {

namespace fs = std::filesystem;

constexpr const char* kList =
    R"({"cniVersion":"1.0.0","name":"pods","plugins":[{"type":"bridge","bridge":"cni0"}]})";
constexpr const char* kOther =
    R"({"cniVersion":"1.0.0","name":"pods","plugins":[{"type":"ptp","mtu":1400}]})";
constexpr const char* kSingle = R"({"cniVersion":"1.0.0","name":"one","type":"ptp"})";

// A node's two folders and a program to install.
struct Node : aquifer::test::TemporaryFolder {
  Node() {
    fs::create_directories(path / "conf");
    fs::create_directories(path / "bin");
    Write("program", "the plugin");
  }

  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name) << text;
  }
  std::string Read(const std::string& name) const {
    std::ifstream file(path / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::set<std::string> Names(const std::string& folder) const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(path / folder))
      names.insert(entry.path().filename());
    return names;
  }
  CniInstallOptions Options(const std::string& settings = "") const {
    return {.conf_dir = path / "conf",
            .bin_dir = path / "bin",
            .program = path / "program",
            .entry = *MakePluginEntry(settings)};
  }
  bool Chained(const std::string& name) const { return HasPlugin(Read("conf/" + name)); }
};

using Names = std::set<std::string>;

mode_t ModeOf(const fs::path& path) {
  struct stat info{};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 0777;
}

}  // namespace

TEST_CASE("the plugin comes into the first list, once, and nothing else is left in the folder") {
  const Node node;
  node.Write("conf/10-bridge.conflist", kList);
  node.Write("conf/20-other.conflist", kOther);
  fs::permissions(node.path / "conf/10-bridge.conflist", fs::perms(0600));
  const Decoded<std::string> written = InstallEntry(node.Options());
  REQUIRE(written.ok());
  CHECK(*written == (node.path / "conf/10-bridge.conflist").string());
  CHECK(node.Chained("10-bridge.conflist"));
  CHECK(node.Read("conf/20-other.conflist") == kOther);
  CHECK(node.Names("conf") == Names{"10-bridge.conflist", "20-other.conflist"});
  CHECK(ModeOf(node.path / "conf/10-bridge.conflist") == 0600);
  const Decoded<std::string> again = InstallEntry(node.Options());
  REQUIRE(again.ok());
  CHECK(again->empty());
}

TEST_CASE("a list that has the plugin already is not written again") {
  const Node node;
  node.Write("conf/10-bridge.conflist", kList);
  REQUIRE(InstallEntry(node.Options()).ok());
  struct stat before{};
  struct stat after{};
  const std::string path = node.path / "conf/10-bridge.conflist";
  REQUIRE(::stat(path.c_str(), &before) == 0);
  REQUIRE(InstallEntry(node.Options()).ok());
  REQUIRE(::stat(path.c_str(), &after) == 0);
  CHECK(before.st_ino == after.st_ino);
}

TEST_CASE("a single configuration is wrapped beside it and stays as it is") {
  const Node node;
  node.Write("conf/10-one.conf", kSingle);
  REQUIRE(InstallEntry(node.Options()).ok());
  CHECK(node.Names("conf") == Names{"10-one-aquifer.conflist", "10-one.conf"});
  CHECK(node.Read("conf/10-one.conf") == kSingle);
  CHECK(node.Chained("10-one-aquifer.conflist"));
  const Decoded<std::string> again = InstallEntry(node.Options());
  REQUIRE(again.ok());
  CHECK(again->empty());
}

TEST_CASE("a wrapper goes when its configuration has gone or counts no more") {
  const Node node;
  node.Write("conf/10-one.conf", kSingle);
  REQUIRE(InstallEntry(node.Options()).ok());
  node.Write("conf/05-list.conflist", kList);
  REQUIRE(InstallEntry(node.Options()).ok());
  CHECK(node.Names("conf") == Names{"05-list.conflist", "10-one.conf"});
  fs::remove(node.path / "conf/05-list.conflist");
  REQUIRE(InstallEntry(node.Options()).ok());
  fs::remove(node.path / "conf/10-one.conf");
  CHECK_FALSE(InstallEntry(node.Options()).ok());
  CHECK(node.Names("conf").empty());
}

TEST_CASE("a configuration that cannot be used stays as it is and is named") {
  const Node node;
  const std::string path = node.path / "conf/10-bridge.conflist";
  for (const std::string& text : {std::string(kList).substr(0, 30), std::string((1 << 20) + 1, ' '),
                                  std::string(R"({"cniVersion":"1.0.0","name":"n"})")}) {
    node.Write("conf/10-bridge.conflist", text);
    const Decoded<std::string> written = InstallEntry(node.Options());
    REQUIRE_FALSE(written.ok());
    CHECK(written.error().field == path);
    CHECK(node.Read("conf/10-bridge.conflist") == text);
  }
  fs::remove(path);
  const Decoded<std::string> none = InstallEntry(node.Options());
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().why == "has no network configuration yet");
}

TEST_CASE("the program is copied whole, can be run, and is replaced by another of its size") {
  const Node node;
  REQUIRE(InstallProgram(node.Options()).ok());
  CHECK(node.Names("bin") == Names{"aquifer-cni"});
  CHECK(node.Read("bin/aquifer-cni") == "the plugin");
  CHECK(ModeOf(node.path / "bin/aquifer-cni") == 0755);
  node.Write("program", "the pluGin");
  REQUIRE(InstallProgram(node.Options()).ok());
  CHECK(node.Read("bin/aquifer-cni") == "the pluGin");
}

TEST_CASE("what was installed is taken away, and what others wrote since is not") {
  const Node node;
  node.Write("conf/10-bridge.conflist", kList);
  node.Write("conf/20-one.conf", kSingle);
  node.Write("conf/30-broken.conflist", "{");
  REQUIRE(InstallProgram(node.Options()).ok());
  REQUIRE(InstallEntry(node.Options()).ok());
  CHECK(Uninstall(node.Options()).empty());
  CHECK_FALSE(node.Chained("10-bridge.conflist"));
  CHECK(OrderedJson::parse(node.Read("conf/10-bridge.conflist")).dump() == kList);
  CHECK(node.Names("conf") == Names{"10-bridge.conflist", "20-one.conf", "30-broken.conflist"});
  CHECK(node.Names("bin").empty());
}

TEST_CASE("a program that a configuration still names is not taken away") {
  const Node node;
  REQUIRE(InstallProgram(node.Options()).ok());
  const std::string alone =
      R"({"cniVersion":"1.0.0","name":"n","plugins":[{"type":"aquifer-cni"}]})";
  node.Write("conf/10-alone.conflist", alone);
  CHECK(Uninstall(node.Options()).size() == 1);
  CHECK(node.Names("bin") == Names{"aquifer-cni"});
  CHECK(node.Read("conf/10-alone.conflist") == alone);
}

namespace {

Task<void> WriteAndSeeItBack(const Node& node, CniInstaller& installer, StopSource& stop) {
  using test::Until;
  co_await Until([&] { return node.Chained("10-bridge.conflist"); });
  CHECK(installer.problem().empty());
  CHECK(node.Read("bin/aquifer-cni") == "the plugin");
  // As a provider does that knows nothing of us.
  node.Write("fresh", kOther);
  fs::rename(node.path / "fresh", node.path / "conf/10-bridge.conflist");
  co_await Until([&] { return node.Chained("10-bridge.conflist"); });
  CHECK(node.Read("conf/10-bridge.conflist").find("1400") != std::string::npos);
  stop.RequestStop();
}

Task<void> RunBeside(const Node& node) {
  CniInstaller installer(node.Options(), aquifer::test::SharedQuietLog());
  StopSource stop;
  Scope scope;
  scope.Spawn(installer.Run(stop.token()));
  co_await WriteAndSeeItBack(node, installer, stop);
  co_await scope.Join();
}

Task<void> AppearsLater(const Node& node) {
  CniInstaller installer(node.Options(), aquifer::test::SharedQuietLog());
  StopSource stop;
  Scope scope;
  scope.Spawn(installer.Run(stop.token()));
  co_await test::Until([&] { return !node.Names("bin").empty(); });
  CHECK_FALSE(installer.problem().empty());
  node.Write("conf/10-bridge.conflist", kList);
  co_await test::Until([&] { return node.Chained("10-bridge.conflist"); });
  co_await test::Until([&] { return installer.problem().empty(); });
  stop.RequestStop();
  co_await scope.Join();
}

}  // namespace

TEST_CASE("the plugin comes back when the provider writes its list anew") {
  const Node node;
  node.Write("conf/10-bridge.conflist", kList);
  test::Run(RunBeside(node));
  CHECK(node.Chained("10-bridge.conflist"));
}

TEST_CASE("the plugin is installed when the first configuration comes") {
  const Node node;
  test::Run(AppearsLater(node));
}

}  // namespace aquifer::redirect
