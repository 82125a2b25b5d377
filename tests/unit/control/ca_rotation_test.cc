#include "control/ca_rotation.h"

#include <algorithm>

#include "control/ca_state.h"
#include "control/shared_ca.h"
#include "tests/support/catch.h"
#include "tests/unit/control/source/files.h"

namespace aquifer::control {
namespace {

using std::chrono::days;
using std::chrono::hours;
using namespace ca_file;

constexpr certs::WallTime kStart{std::chrono::seconds(1'700'000'000)};

CaFiles FilesOf(const certs::LocalCa& ca) {
  return {
      {kKey, ca.KeyPem()}, {kCertificate, ca.ChainPem()}, {kRoots, std::string(ca.roots()->pem())}};
}

// A root that was made at the start, and the time at which it ends.
struct Root {
  CaFiles files = FilesOf(certs::LocalCa::Create("cluster.local", kStart));
  certs::WallTime end = CaOf(files)->certificate().not_after;

  // What becomes of the files then; they stay: empty.
  CaFiles Next(certs::WallTime now) const {
    const auto next = NextCaFiles(files, "cluster.local", now);
    REQUIRE(next.ok());
    return next->value_or(CaFiles());
  }
  // The same, and goes on with it.
  void Step(certs::WallTime now) {
    files = Next(now);
    REQUIRE_FALSE(files.empty());
  }
  size_t roots() const { return CaOf(files)->roots()->certificates().size(); }
};

}  // namespace

TEST_CASE("a root stays as it is until it nears its end") {
  const Root root;
  CHECK(root.Next(kStart).empty());
  CHECK(root.Next(root.end - days(121)).empty());
  CHECK_FALSE(root.Next(root.end - days(119)).empty());
}

TEST_CASE("a successor is trusted before it signs, and the old root until its last certificate") {
  Root root;
  const std::string old = root.files[kCertificate];
  const certs::WallTime announced = root.end - days(119);
  root.Step(announced);
  CHECK(root.files[kCertificate] == old);
  CHECK(root.roots() == 2);
  CHECK(root.Next(announced + days(6)).empty());
  const std::string successor = root.files[kNextCertificate];
  root.Step(announced + days(7));
  CHECK(root.files[kCertificate] == successor);
  CHECK(root.files[kRetired] == old);
  CHECK(root.roots() == 2);
  CHECK_FALSE(root.files.contains(kNextKey));
  CHECK(root.Next(announced + days(7 + 90)).empty());
  root.Step(announced + days(7 + 91));
  CHECK(root.roots() == 1);
  CHECK(root.files.size() == 3);
  CHECK(CaOf(root.files)->certificate().pem == successor);
  CHECK(root.Next(announced + days(99)).empty());
}

TEST_CASE("the old root is never dropped while a certificate of it can be in date") {
  Root root;
  root.Step(root.end - days(119));
  const certs::LocalCa before = *CaOf(root.files);
  const certs::WallTime last = root.end - days(112);
  const certs::PrivateKey key = certs::PrivateKey::Generate();
  const auto leaf =
      before.Issue(key.get(), {"cluster.local", "web", "sa"}, certs::CaServiceOptions().longest_ttl,
                   last + hours(2));  // by a replica that is late
  REQUIRE(leaf.ok());
  const auto roots = certs::RootBundle::FromPem(*leaf);
  REQUIRE(roots.ok());
  root.Step(last);
  CHECK(root.Next((*roots)->certificates().front().not_after - hours(1)).empty());
}

TEST_CASE("a successor of a root that has ended signs at once") {
  Root root;
  root.Step(root.end + days(1));
  const std::string successor = root.files[kNextCertificate];
  root.Step(root.end + days(1));
  CHECK(root.files[kCertificate] == successor);
}

TEST_CASE("a root that somebody else has added stays when the old one goes") {
  Root root;
  const std::string other(certs::LocalCa::Create("other", kStart).roots()->pem());
  root.files[kRoots] += other;
  root.Step(root.end - days(119));
  root.Step(root.end - days(112));
  CHECK(root.roots() == 3);
  root.Step(root.end - days(21));
  CHECK(root.roots() == 2);
  CHECK(root.files[kRoots].find(other) != std::string::npos);
}

TEST_CASE("an intermediate is for its issuer to renew") {
  Root root;
  root.files[kChain] = root.files[kCertificate];
  CHECK(root.Next(root.end).empty());
}

TEST_CASE("files that are no CA are refused, and a time that is none") {
  Root root;
  CHECK_FALSE(NextCaFiles({}, "cluster.local", kStart).ok());
  root.files[kRetired] = root.files[kCertificate];
  root.files[kRetiredAt] = "yesterday";
  CHECK(NextCaFiles(root.files, "cluster.local", kStart).error().field == kRetiredAt);
}

TEST_CASE("a root of our own state gives way there, one that an operator put there stays") {
  const TestDirectory directory;
  const std::string state = directory.Of("state");
  certs::WallTime end;
  {
    const auto opened = OpenCaState(state, "cluster.local", kStart);
    REQUIRE(opened.ok());
    end = opened->ca.certificate().not_after;
  }
  const auto rotate = [&](certs::WallTime now) {
    const auto rotated = RotateLocalCa(state, "cluster.local", now);
    REQUIRE(rotated.ok());
    return *rotated;
  };
  CHECK_FALSE(rotate(kStart));
  CHECK(rotate(end - days(100)));
  CHECK_FALSE(rotate(end - days(100)));
  CHECK(LoadCa(state + "/ca")->roots()->certificates().size() == 2);
  CHECK(rotate(end - days(93)));
  CHECK_FALSE(rotate(end - days(3)));
  CHECK(rotate(end - days(2)));
  const auto successor = LoadCa(state + "/ca");
  CHECK(successor->roots()->certificates().size() == 1);
  // The successor is ours as well.
  CHECK(rotate(successor->certificate().not_after - days(1)));
  const CaFiles theirs = FilesOf(certs::LocalCa::Create("operator", kStart));
  REQUIRE(ReplaceCaFiles(state + "/ca", theirs).ok());
  CHECK_FALSE(rotate(end));
}

}  // namespace aquifer::control
