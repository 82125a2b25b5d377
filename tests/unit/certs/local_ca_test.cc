#include "certs/local_ca.h"

#include <sys/stat.h>

#include <filesystem>

#include "certs/csr.h"
#include "certs/file.h"
#include "tests/unit/certs/support.h"

namespace aquifer::certs {
namespace {

using test::kClientId;
using test::kDay;
using test::kNow;
using test::RawLeaf;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "aquifer-ca-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST_CASE("the root that was made is good for ten years") {
  const LocalCa ca = LocalCa::Create("cluster.local", kNow);
  CHECK(ca.certificate().not_before <= kNow);
  CHECK(ca.certificate().not_after >= kNow + std::chrono::days(3650));
}

TEST_CASE("an issued leaf carries the identity it was told, whatever the request wished") {
  const LocalCa ca = LocalCa::Create("cluster.local", kNow);
  const PrivateKey key = PrivateKey::Generate();
  const auto request = ParseCsr(MakeCsr(key, {"cluster.local", "kube-system", "admin"}));
  REQUIRE(request.ok());
  const auto leaf = ca.Issue(request->public_key.get(), kClientId, kDay, kNow);
  REQUIRE(leaf.ok());
  const auto bundle = CertificateBundle::FromResponse(key, ca.ResponseChain(*leaf));
  REQUIRE(bundle.ok());
  CHECK(bundle->identity() == kClientId);
}

TEST_CASE("a leaf lives as long as asked, and never longer than the CA") {
  const LocalCa ca = LocalCa::Create("cluster.local", kNow);
  const PrivateKey key = PrivateKey::Generate();
  const auto end_of = [&](std::chrono::seconds ttl) {
    const auto leaf = ca.Issue(key.get(), kClientId, ttl, kNow);
    REQUIRE(leaf.ok());
    return CertificateBundle::FromResponse(key, ca.ResponseChain(*leaf))->leaf().not_after;
  };
  CHECK(end_of(kDay) == kNow + kDay);
  CHECK(end_of(std::chrono::days(36500)) == ca.certificate().not_after);
  CHECK(end_of(std::chrono::seconds::max()) == ca.certificate().not_after);
}

TEST_CASE("serial numbers differ") {
  const LocalCa ca = LocalCa::Create("cluster.local", kNow);
  const PrivateKey key = PrivateKey::Generate();
  const auto serial = [&] {
    const auto leaf = ca.Issue(key.get(), kClientId, kDay, kNow);
    return CertificateBundle::FromResponse(key, ca.ResponseChain(*leaf))->leaf().serial_number;
  };
  CHECK(serial() != serial());
}

TEST_CASE("what must not be signed is refused") {
  const LocalCa ca = LocalCa::Create("cluster.local", kNow);
  const PrivateKey key = PrivateKey::Generate();
  CHECK(!ca.Issue(key.get(), {"cluster.local", "a/sa/b", "c"}, kDay, kNow).ok());
  CHECK(!ca.Issue(key.get(), {"Cluster", "a", "b"}, kDay, kNow).ok());
  CHECK(!ca.Issue(key.get(), kClientId, std::chrono::seconds(0), kNow).ok());
  CHECK(!ca.Issue(key.get(), kClientId, std::chrono::seconds(-5), kNow).ok());
  CHECK(!ca.Issue(key.get(), kClientId, kDay, ca.certificate().not_after).ok());
  CHECK(!ca.Issue(nullptr, kClientId, kDay, kNow).ok());
}

TEST_CASE("a server certificate names hosts and never a SPIFFE id") {
  const LocalCa ca = LocalCa::Create("cluster.local", kNow);
  const PrivateKey key = PrivateKey::Generate();
  SubjectNames names;
  CHECK(!ca.IssueServer(key.get(), names, kDay, kNow).ok());
  names.dns.push_back("a,URI:spiffe://cluster.local/ns/a/sa/b");
  const auto leaf = ca.IssueServer(key.get(), names, kDay, kNow);
  REQUIRE(leaf.ok());
  CHECK(!CertificateBundle::FromResponse(key, ca.ResponseChain(*leaf))->identity().has_value());
  names.uris.push_back(kClientId.ToString());
  CHECK(!ca.IssueServer(key.get(), names, kDay, kNow).ok());
}

TEST_CASE("a saved CA loads as the same one, with its key closed to others") {
  const TemporaryFolder folder;
  const LocalCa ca = LocalCa::Create("cluster.local", kNow);
  REQUIRE(ca.Save(folder.path()).ok());
  const auto loaded = LocalCa::Load(folder.path());
  REQUIRE(loaded.ok());
  CHECK(loaded->roots()->pem() == ca.roots()->pem());
  struct stat status{};
  REQUIRE(::stat((folder.path() + "/ca-key.pem").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("saving again replaces what was there") {
  const TemporaryFolder folder;
  REQUIRE(LocalCa::Create("one", kNow).Save(folder.path()).ok());
  const LocalCa second = LocalCa::Create("two", kNow);
  REQUIRE(second.Save(folder.path()).ok());
  CHECK(LocalCa::Load(folder.path())->roots()->pem() == second.roots()->pem());
}

TEST_CASE("loading names the file that is missing") {
  const TemporaryFolder folder;
  const auto missing = LocalCa::Load(folder.path());
  REQUIRE(!missing.ok());
  CHECK(missing.error().field == "ca-key.pem");
}

TEST_CASE("a CA under another CA sends its own certificate between leaf and roots") {
  // The middle CA's certificate is made by hand: ours signs leaves only.
  RawLeaf middle_leaf{.names = {}, .extended_key_usage = nullptr};
  middle_leaf.basic_constraints = "critical,CA:TRUE";
  middle_leaf.key_usage = "critical,keyCertSign";
  const CertificateBundle middle = test::SharedCa().Raw(middle_leaf);
  const auto ca =
      LocalCa::FromPem(middle.key().ToPem(), middle.ChainPem(), test::SharedCa().roots()->pem());
  REQUIRE(ca.ok());
  const PrivateKey key = PrivateKey::Generate();
  const auto leaf = ca->Issue(key.get(), kClientId, kDay, kNow);
  REQUIRE(leaf.ok());
  const auto chain = ca->ResponseChain(*leaf);
  REQUIRE(chain.size() == 3);
  CHECK(chain[1] == middle.ChainPem());
  const auto bundle = CertificateBundle::FromResponse(key, chain);
  REQUIRE(bundle.ok());
  CHECK(bundle->chain().size() == 2);
}

TEST_CASE("files are read whole or refused for their length") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/f";
  REQUIRE(WriteFileWhole(path, "12345", 0644).ok());
  CHECK(*ReadSmallFile(path, 5) == "12345");
  CHECK(ReadSmallFile(path, 4).error().reason == Reason::kBadRequest);
  CHECK(ReadSmallFile(folder.path() + "/none", 4).error().reason == Reason::kNotFound);
}

}  // namespace
}  // namespace aquifer::certs
