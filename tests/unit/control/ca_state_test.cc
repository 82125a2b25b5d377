#include "control/ca_state.h"

#include <sys/stat.h>

#include "certs/file.h"
#include "certs/wall_clock.h"
#include "control/shared_ca.h"
#include "tests/support/catch.h"
#include "tests/unit/control/source/files.h"

namespace aquifer::control {
namespace {

std::string RootOf(const CaState& state) { return state.ca.roots()->pem(); }

Decoded<CaState> Open(const TestDirectory& directory) {
  return OpenCaState(directory.Of("state"), "cluster.local", certs::SystemWallTime());
}

}  // namespace

TEST_CASE("a root is made once and kept") {
  const TestDirectory directory;
  std::string root;
  {
    const auto first = Open(directory);
    REQUIRE(first.ok());
    CHECK(first->made);
    root = RootOf(*first);
  }
  const auto second = Open(directory);
  REQUIRE(second.ok());
  CHECK_FALSE(second->made);
  CHECK(RootOf(*second) == root);
  struct stat info = {};
  REQUIRE(::stat(directory.Of("state/ca/ca-key.pem").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("a root whose files were being exchanged when the process was killed is not lost") {
  const TestDirectory directory;
  std::string root;
  {
    const auto first = Open(directory);
    REQUIRE(first.ok());
    root = RootOf(*first);
  }
  const std::string ca = directory.Of("state/ca");
  std::filesystem::rename(ca, FormerOf(ca));
  const auto second = Open(directory);
  REQUIRE(second.ok());
  CHECK_FALSE(second->made);
  CHECK(RootOf(*second) == root);
}

TEST_CASE("files of a CA are exchanged, and nothing of the former ones stays") {
  const TestDirectory directory;
  const std::string ca = directory.Of("ca");
  REQUIRE(ReplaceCaFiles(ca, {{ca_file::kKey, "one"}, {ca_file::kRetiredAt, "then"}}).ok());
  REQUIRE(ReplaceCaFiles(ca, {{ca_file::kKey, "two"}}).ok());
  CHECK(*ReadCaFiles(ca) == CaFiles{{ca_file::kKey, "two"}});
  CHECK_FALSE(std::filesystem::exists(FormerOf(ca)));
}

TEST_CASE("a root that was never finished is made anew") {
  const TestDirectory directory;
  std::filesystem::create_directories(directory.Of("state/ca.new"));
  directory.Write("state/ca.new/ca-key.pem", "half");
  const auto opened = Open(directory);
  REQUIRE(opened.ok());
  CHECK(opened->made);
  CHECK_FALSE(std::filesystem::exists(directory.Of("state/ca.new")));
}

TEST_CASE("files that do not make a CA are never replaced by a new root") {
  const TestDirectory directory;
  REQUIRE(Open(directory).ok());
  std::filesystem::remove(directory.Of("state/ca/ca-key.pem"));
  const auto opened = Open(directory);
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().ToString().find("ca-key.pem") != std::string::npos);
}

TEST_CASE("only one process has the state") {
  const TestDirectory directory;
  const auto first = Open(directory);
  REQUIRE(first.ok());
  const auto second = Open(directory);
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().why == "is held by another aquifer-control");
}

TEST_CASE("an operator's files count, with a chain if there is one") {
  const TestDirectory directory;
  const certs::LocalCa own = certs::LocalCa::Create("operator", certs::SystemWallTime());
  std::filesystem::create_directories(directory.Of("state/ca"));
  REQUIRE(own.Save(directory.Of("state/ca")).ok());
  {
    const auto opened = Open(directory);
    REQUIRE(opened.ok());
    CHECK_FALSE(opened->made);
    CHECK(RootOf(*opened) == own.roots()->pem());
  }
  std::filesystem::copy_file(directory.Of("state/ca/ca-cert.pem"),
                             directory.Of("state/ca/cert-chain.pem"));
  CHECK(Open(directory).ok());
  directory.Write("state/ca/cert-chain.pem", "not a certificate");
  CHECK_FALSE(Open(directory).ok());
}

}  // namespace aquifer::control
