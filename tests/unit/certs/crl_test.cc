#include "certs/crl.h"

#include <openssl/nid.h>

#include "tests/unit/certs/crl_signer.h"
#include "tests/unit/certs/support.h"

namespace aquifer::certs {
namespace {

using test::CrlSigner;
using test::ExtendCrl;
using test::SharedCa;
using namespace std::string_literals;

const CrlSigner& Signer() {
  static const CrlSigner signer(SharedCa().ca());
  return signer;
}

std::string Refused(std::string_view file) {
  const auto set = CrlSet::Parse(file);
  return set.ok() ? "taken" : set.error().ToString();
}

std::string RefusedWith(int nid, std::string_view der, bool critical) {
  return Refused(Signer().Pem(
      {.serials = {"1"}, .change = [&](X509_CRL* list) { ExtendCrl(list, nid, der, critical); }}));
}

TEST_CASE("a file holds several revocation lists in PEM, or one in DER") {
  const auto several = CrlSet::Parse("# ours\n" + Signer().Pem({"1", "2"}) + Signer().Pem({"3"}));
  REQUIRE(several.ok());
  CHECK((*several)->lists().size() == 2);
  CHECK((*several)->entries() == 3);
  const auto one = CrlSet::Parse(Signer().Der({.serials = {"7"}}));
  REQUIRE(one.ok());
  CHECK((*one)->entries() == 1);
}

TEST_CASE("a revocation list without an entry is one") {
  const auto set = CrlSet::Parse(Signer().Pem(std::vector<std::string>()));
  REQUIRE(set.ok());
  CHECK((*set)->lists().size() == 1);
  CHECK((*set)->entries() == 0);
}

TEST_CASE("a file in which anything is no revocation list is refused whole and names it") {
  const std::string good = Signer().Pem({"1"});
  CHECK(Refused("") == "is not a revocation list");
  CHECK(Refused("nothing") == "is not a revocation list");
  CHECK(Refused(good + SharedCa().roots()->pem()) == "list[1]: is not an X509 CRL block");
  CHECK(Refused(good + "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n") ==
        "list[1]: is not a revocation list");
  CHECK(Refused(Signer().Der({.serials = {"1"}}) + "x") == "has bytes behind its end");
  CHECK(Refused(good.substr(0, good.size() / 2)) == "pem block 0: does not end");
  CHECK(Refused(std::string(CrlSet::kMaxBytes + 1, '\0')) == "is longer than 4 MiB");
  std::string many;
  const std::string least = Signer().Pem(std::vector<std::string>());
  for (std::size_t i = 0; i <= CrlSet::kMaxLists; ++i) many += least;
  CHECK(Refused(many) == "pem: more than 256 blocks");
}

TEST_CASE("a revocation list that says more than is understood is refused") {
  CHECK(RefusedWith(NID_crl_number, "\x02\x01\x01"s, false) == "taken");
  CHECK(RefusedWith(NID_delta_crl, "\x02\x01\x01"s, true).find("delta") != std::string::npos);
  CHECK(RefusedWith(NID_crl_number, "\x02\x01\x01"s, true).find("critical") != std::string::npos);
  // onlyContainsUserCerts narrows what the list is about; indirectCRL makes it about others'.
  CHECK(RefusedWith(NID_issuing_distribution_point, "\x30\x03\x81\x01\xff"s, true) == "taken");
  CHECK(
      RefusedWith(NID_issuing_distribution_point, "\x30\x03\x84\x01\xff"s, true).find("indirect") !=
      std::string::npos);
}

TEST_CASE("a serial number of more than 20 bytes refuses its list") {
  // 2^168 has 22 bytes.
  CHECK(Refused(Signer().Pem({"1", "374144419156711147060143317175368453031918731001856"})) ==
        "list[0].entry[1]: has a serial number of more than 20 bytes");
}

TEST_CASE("no cut of a list is one, and a changed byte does no harm to the reader") {
  const std::string der = Signer().Der({.serials = {"4242"}});
  const auto good = CrlSet::Parse(der);
  REQUIRE(good.ok());
  for (std::size_t i = 0; i < der.size(); ++i) {
    std::string changed = der;
    changed[i] = static_cast<char>(changed[i] ^ 0x04);
    std::ignore = CrlSet::Parse(changed);  // under the sanitizers
    std::ignore = CrlSet::Parse(der.substr(0, i));
    CHECK(!CrlSet::Parse(der.substr(0, i)).ok());
  }
}

}  // namespace
}  // namespace aquifer::certs
