// What the tests of certs/ share: a CA that signs good certificates as ours does and bad ones as
// only a test may, and a pair of engines joined by nothing but the test.
#pragma once

#include <openssl/x509.h>

#include <string>
#include <vector>

#include "certs/bundle.h"
#include "certs/csr.h"
#include "certs/local_ca.h"
#include "certs/tls_engine.h"
#include "tests/support/catch.h"

namespace aquifer::certs::test {

// 2026-01-01 00:00 UTC.
inline constexpr WallTime kNow{std::chrono::seconds(1767225600)};
inline constexpr std::chrono::hours kDay{24};

inline const Identity kClientId{"cluster.local", "shop", "web"};
inline const Identity kServerId{"cluster.local", "shop", "reviews"};

struct RawLeaf {
  SubjectNames names;
  WallTime not_before = kNow - std::chrono::minutes(1);
  WallTime not_after = kNow + kDay;
  const char* extended_key_usage = "serverAuth,clientAuth";
  const char* basic_constraints = "critical,CA:FALSE";
  const char* key_usage = "critical,digitalSignature";
};

class TestCa {
 public:
  TestCa();

  const LocalCa& ca() const { return ca_; }
  const RootBundleRef& roots() const { return ca_.roots(); }
  // A good certificate.
  CertificateBundle Bundle(const Identity& identity, std::chrono::seconds ttl = kDay) const;
  // For a server found by name.
  CertificateBundle ServerBundle(const std::string& dns) const;
  // Whatever is asked for.
  CertificateBundle Raw(const RawLeaf& leaf) const;
  CertificateBundle RawUris(std::vector<std::string> uris) const;
  // The same chain and key, with other roots to check peers against.
  static CertificateBundle WithRoots(const CertificateBundle& bundle, RootBundleRef roots);

 private:
  PrivateKey key_;
  std::string root_pem_;
  LocalCa ca_;
};

// One CA for all tests: keys cost time.
const TestCa& SharedCa();
const TestCa& OtherCa();

TlsContextRef ClientContext();
TlsContextRef ServerContext();
TlsEngine NewClient();  // kClientId, expects kServerId
TlsEngine NewServer();  // kServerId, expects anyone of cluster.local

std::string TakeBytes(TlsEngine& engine);
void FeedBytes(TlsEngine& engine, std::string_view bytes);
// Moves all output of `from` into `to`, `step` bytes a Feed; whether there was any.
bool Move(TlsEngine& from, TlsEngine& to, size_t step = SIZE_MAX);
// Moves bytes both ways until neither side has more to say.
void Handshake(TlsEngine& client, TlsEngine& server, size_t step = SIZE_MAX);
// Everything that can be opened now.
std::string OpenAll(TlsEngine& engine);

}  // namespace aquifer::certs::test
