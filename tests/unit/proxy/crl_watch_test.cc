#include "proxy/crl_watch.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "certs/local_ca.h"
#include "core/rt/scope.h"
#include "tests/support/lines.h"
#include "tests/support/run_task.h"
#include "tests/support/until.h"
#include "tests/unit/certs/crl_signer.h"

namespace aquifer::proxy {
namespace {

namespace fs = std::filesystem;

// A directory as Kubernetes mounts a ConfigMap: links to a directory that is swapped whole.
struct Mounted {
  Mounted() {
    std::string made = "/tmp/aquifer-crl-XXXXXX";
    REQUIRE(::mkdtemp(made.data()) != nullptr);
    directory = made;
  }
  ~Mounted() { fs::remove_all(directory); }
  std::string path() const { return directory / "ca-crl.pem"; }
  void Swap(const std::string& content) {
    const std::string version = "..v" + std::to_string(++versions);
    fs::create_directory(directory / version);
    std::ofstream(directory / version / "ca-crl.pem") << content;
    fs::create_directory_symlink(version, directory / "..data_tmp");
    fs::rename(directory / "..data_tmp", directory / "..data");
    if (!fs::is_symlink(path())) fs::create_symlink("..data/ca-crl.pem", path());
  }
  void Write(const std::string& content) { std::ofstream(path()) << content; }

  fs::path directory;
  int versions = 0;
};

// A watch that runs, and what it tells of.
struct Running {
  explicit Running(const std::string& path) : watch(path, lines.logger(), registry) {
    tasks.Spawn(
        watch.Run([this](const certs::CrlSetRef& lists) { told.push_back(lists); }, stop.token()));
  }
  Task<void> End() {
    stop.RequestStop();
    co_await tasks.Join();
  }
  // Until the watch has told of `count` changes; bounded.
  Task<void> Told(std::size_t count) {
    co_await aquifer::test::Until([&] { return told.size() >= count; });
    REQUIRE(told.size() == count);
  }
  bool Has(const std::string& metric) const {
    return registry.Text().find(metric + "\n") != std::string::npos;
  }
  Task<void> Shows(std::string metric) {
    co_await aquifer::test::Until([&] { return Has(metric); });
  }

  aquifer::test::Lines lines;
  obs::Registry registry;
  CrlWatch watch;
  std::vector<certs::CrlSetRef> told;
  StopSource stop;
  Scope tasks;
};

const certs::test::CrlSigner& Signer() {
  static const certs::test::CrlSigner signer(
      certs::LocalCa::Create("test", certs::SystemWallTime()));
  return signer;
}

Task<void> FollowsSwaps() {
  Mounted mounted;
  mounted.Swap(Signer().Pem({"1"}));
  Running running(mounted.path());
  REQUIRE(running.watch.lists() != nullptr);
  CHECK(running.watch.lists()->entries() == 1);
  mounted.Swap(Signer().Pem({"1", "2"}));
  co_await running.Told(1);
  CHECK(running.told[0]->entries() == 2);
  mounted.Swap(Signer().Pem(std::vector<std::string>()));
  co_await running.Told(2);
  CHECK(running.told[1]->entries() == 0);
  CHECK(running.Has("aquifer_crl_usable 1"));
  co_await running.End();
}

TEST_CASE("revocation lists follow the swaps of a mounted ConfigMap") {
  aquifer::test::Run(FollowsSwaps());
}

Task<void> ComesLater() {
  Mounted mounted;
  Running running(mounted.path());
  REQUIRE(running.watch.lists() != nullptr);
  CHECK(running.watch.lists()->lists().empty());
  CHECK(running.Has("aquifer_crl_usable 1"));
  mounted.Swap(Signer().Pem({"1"}));
  co_await running.Told(1);
  CHECK(running.told[0]->entries() == 1);
  CHECK(running.Has("aquifer_crl_entries 1"));
  co_await running.End();
}

TEST_CASE("a file that is not there revokes nothing, and counts when it comes") {
  aquifer::test::Run(ComesLater());
}

Task<void> KeepsLastGood() {
  Mounted mounted;
  mounted.Swap(Signer().Pem({"1"}));
  Running running(mounted.path());
  mounted.Swap("not a list");
  co_await running.Shows("aquifer_crl_usable 0");
  CHECK(running.watch.lists()->entries() == 1);
  CHECK(running.told.empty());
  CHECK(running.lines.With({"\terror\t", "is not a revocation list", "last goes on"}).size() == 1);
  fs::remove(mounted.path());
  co_await running.Shows("aquifer_crl_reads_total{outcome=\"missing\"} 1");
  CHECK(running.watch.lists()->entries() == 1);
  CHECK(running.Has("aquifer_crl_usable 0"));
  mounted.Swap(Signer().Pem({"1", "2"}));
  co_await running.Told(1);
  CHECK(running.Has("aquifer_crl_usable 1"));
  co_await running.End();
}

TEST_CASE("a file that breaks or goes leaves the last good lists in force, and alarms") {
  aquifer::test::Run(KeepsLastGood());
}

Task<void> StartsBroken() {
  Mounted mounted;
  mounted.Write("-----BEGIN X509 CRL-----");
  Running running(mounted.path());
  CHECK(running.watch.lists() == nullptr);
  CHECK(running.Has("aquifer_crl_usable 0"));
  CHECK(running.lines.With({"\terror\t", "no new HBONE peer is trusted"}).size() == 1);
  mounted.Write(Signer().Pem({"1"}));
  co_await running.Shows("aquifer_crl_usable 1");
  CHECK(running.told.back()->entries() == 1);
  co_await running.End();
}

TEST_CASE("a file that was never readable trusts nobody until it is") {
  aquifer::test::Run(StartsBroken());
}

Task<void> StartsWithPipe() {
  Mounted mounted;
  REQUIRE(::mkfifo(mounted.path().c_str(), 0600) == 0);
  Running running(mounted.path());
  CHECK(running.watch.lists() == nullptr);
  CHECK(running.Has("aquifer_crl_reads_total{outcome=\"unreadable\"} 1"));
  co_await running.End();
}

TEST_CASE("what is no regular file is not waited for") { aquifer::test::Run(StartsWithPipe()); }

Task<void> SaysOld() {
  Mounted mounted;
  mounted.Swap(Signer().Pem(
      {.serials = {"1"}, .next_update = certs::SystemWallTime() - std::chrono::hours(1)}));
  Running running(mounted.path());
  CHECK(running.watch.lists()->entries() == 1);
  CHECK(running.lines.With({"\twarn\t", "past their next update"}).size() == 1);
  co_await running.End();
}

TEST_CASE("lists past their next update count, and the log says so") {
  aquifer::test::Run(SaysOld());
}

}  // namespace
}  // namespace aquifer::proxy
