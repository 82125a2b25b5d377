#include "control/ca_secret.h"

#include <sys/stat.h>

#include "absl/strings/escaping.h"
#include "certs/local_ca.h"
#include "certs/wall_clock.h"
#include "control/ca_state.h"
#include "control/kube/values.h"
#include "control/shared_ca.h"
#include "tests/support/catch.h"
#include "tests/unit/control/source/files.h"

namespace aquifer::control {
namespace {

// The files of a CA that is made below `directory`.
CaFiles MadeIn(const TestDirectory& directory, const std::string& name) {
  const std::string state = directory.Of(name);
  REQUIRE(OpenCaState(state, "cluster.local", certs::SystemWallTime()).ok());
  const Decoded<CaFiles> files = ReadCaFiles(state + "/ca");
  REQUIRE(files.ok());
  return *files;
}

std::string WhyNot(const std::string& object) {
  const Decoded<CaFiles> files = ReadCaSecret(object);
  return files.ok() ? "" : files.error().ToString();
}

std::string BodyOf(const CaFiles& files) {
  return CaSecretBody("aquifer-system", "aquifer-ca", files);
}

}  // namespace

TEST_CASE("a CA comes back from its Secret as it was") {
  const TestDirectory directory;
  const CaFiles files = MadeIn(directory, "state");
  REQUIRE(files.size() == 3);
  const std::string body = BodyOf(files);
  const Json object = Json::parse(body);
  CHECK(object["metadata"]["name"] == "aquifer-ca");
  CHECK(object["metadata"]["namespace"] == "aquifer-system");
  const Decoded<CaFiles> read = ReadCaSecret(body);
  REQUIRE(read.ok());
  CHECK(*read == files);
}

TEST_CASE("a Secret that lacks a file of the CA is refused by the file's name") {
  const TestDirectory directory;
  const CaFiles whole = MadeIn(directory, "state");
  for (const auto& [name, content] : whole) {
    CaFiles files = whole;
    files.erase(name);
    CHECK(WhyNot(BodyOf(files)) == "data." + name + ": is missing");
  }
}

TEST_CASE("a Secret whose key is another CA's is refused") {
  const TestDirectory directory;
  CaFiles files = MadeIn(directory, "one");
  files["ca-key.pem"] = MadeIn(directory, "other")["ca-key.pem"];
  CHECK_FALSE(WhyNot(BodyOf(files)).empty());
}

TEST_CASE("a chain in the Secret goes before the certificate, and has to be one") {
  const TestDirectory directory;
  CaFiles files = MadeIn(directory, "state");
  files["cert-chain.pem"] = files["ca-cert.pem"];
  CHECK(WhyNot(BodyOf(files)).empty());
  files["cert-chain.pem"] = "not a certificate";
  CHECK_FALSE(WhyNot(BodyOf(files)).empty());
}

TEST_CASE("a Secret of cert-manager's form is a CA") {
  const TestDirectory directory;
  CaFiles files = MadeIn(directory, "state");
  Json data = {{"tls.key", absl::Base64Escape(files["ca-key.pem"])},
               {"tls.crt", absl::Base64Escape(files["ca-cert.pem"])},
               {"ca.crt", absl::Base64Escape(files["root-cert.pem"])}};
  const Decoded<CaFiles> read = ReadCaSecret(Json{{"data", data}}.dump());
  REQUIRE(read.ok());
  CHECK(read->at("ca-key.pem") == files["ca-key.pem"]);
  CHECK(read->at("cert-chain.pem") == files["ca-cert.pem"]);
  CHECK(CaOf(*read).ok());
  data.erase("ca.crt");
  CHECK(WhyNot(Json{{"data", data}}.dump()) == "data.ca.crt: is missing");
}

TEST_CASE("a successor in the Secret is a whole CA, or the Secret is refused") {
  const TestDirectory directory;
  CaFiles files = MadeIn(directory, "state");
  const CaFiles next = MadeIn(directory, "next");
  files["next-ca-cert.pem"] = next.at("ca-cert.pem");
  CHECK(WhyNot(BodyOf(files)) == "data.next-ca-key.pem: is missing");
  files["next-ca-key.pem"] = files["ca-key.pem"];
  CHECK_FALSE(WhyNot(BodyOf(files)).empty());
  files["next-ca-key.pem"] = next.at("ca-key.pem");
  CHECK(WhyNot(BodyOf(files)).empty());
}

TEST_CASE(
    "a Secret says whether we made it, and what is sent holds for the version that was read") {
  const TestDirectory directory;
  const CaFiles files = MadeIn(directory, "state");
  CHECK(ReadCaSecretMeta(BodyOf(files))->ours);
  const auto theirs = ReadCaSecretMeta(R"({"metadata": {"resourceVersion": "7"}})");
  REQUIRE(theirs.ok());
  CHECK_FALSE(theirs->ours);
  CHECK(theirs->version == "7");
  const Json patch = Json::parse(CaSecretPatch("7", {{"a", "x"}, {"b", "y"}}, {{"b", "z"}}));
  CHECK(patch["metadata"]["resourceVersion"] == "7");
  CHECK(patch["data"]["a"].is_null());
  CHECK(patch["data"]["b"] == absl::Base64Escape("z"));
}

TEST_CASE("what is no Secret of a CA is refused") {
  CHECK_FALSE(WhyNot("").empty());
  CHECK_FALSE(WhyNot("[]").empty());
  CHECK(WhyNot("{}") == "data.ca-key.pem: is missing");
  CHECK(WhyNot(R"({"data": {"ca-key.pem": "%%%"}})") == "data.ca-key.pem: is not base64");
  CHECK_FALSE(WhyNot(R"({"data": {"ca-key.pem": 1}})").empty());
}

TEST_CASE("the files of a Secret take the place of those that were made here") {
  const TestDirectory directory;
  const CaFiles theirs = MadeIn(directory, "theirs");
  MadeIn(directory, "state");
  const std::string ca = directory.Of("state/ca");
  REQUIRE(ReplaceCaFiles(ca, theirs).ok());
  const Decoded<CaFiles> read = ReadCaFiles(ca);
  REQUIRE(read.ok());
  CHECK(*read == theirs);
  CHECK(OpenCaState(directory.Of("state"), "cluster.local", certs::SystemWallTime()).ok());
  struct stat info = {};
  REQUIRE(::stat((ca + "/ca-key.pem").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("files that are the same already are not written again") {
  const TestDirectory directory;
  const CaFiles files = MadeIn(directory, "state");
  const std::string ca = directory.Of("state/ca");
  struct stat before = {};
  struct stat after = {};
  REQUIRE(::stat((ca + "/ca-key.pem").c_str(), &before) == 0);
  REQUIRE(ReplaceCaFiles(ca, files).ok());
  REQUIRE(::stat((ca + "/ca-key.pem").c_str(), &after) == 0);
  CHECK(before.st_ino == after.st_ino);
}

}  // namespace aquifer::control
