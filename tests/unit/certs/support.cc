#include "tests/unit/certs/support.h"

#include <openssl/digest.h>
#include <openssl/mem.h>
#include <openssl/nid.h>

#include "certs/pem.h"

namespace aquifer::certs::test {
namespace {

void Extend(X509* certificate, int nid, const char* value) {
  if (value == nullptr) return;
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  bssl::UniquePtr<X509_EXTENSION> extension(X509V3_EXT_nconf_nid(nullptr, &context, nid, value));
  REQUIRE(extension != nullptr);
  X509_add_ext(certificate, extension.get(), -1);
}

// Signed by `signer` in the name of a root whose organization is "tests".
std::string SignRaw(const PrivateKey& key, const RawLeaf& leaf, bool is_root,
                    const PrivateKey& signer) {
  bssl::UniquePtr<X509> certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), 4242);
  X509_NAME* issuer = X509_get_issuer_name(certificate.get());
  const std::uint8_t organization[] = "tests";
  X509_NAME_add_entry_by_NID(issuer, NID_organizationName, MBSTRING_UTF8, organization, 5, -1, 0);
  if (is_root) X509_set_subject_name(certificate.get(), issuer);
  ASN1_TIME_set_posix(X509_getm_notBefore(certificate.get()),
                      leaf.not_before.time_since_epoch().count());
  ASN1_TIME_set_posix(X509_getm_notAfter(certificate.get()),
                      leaf.not_after.time_since_epoch().count());
  X509_set_pubkey(certificate.get(), key.get());
  Extend(certificate.get(), NID_basic_constraints, leaf.basic_constraints);
  Extend(certificate.get(), NID_key_usage, leaf.key_usage);
  Extend(certificate.get(), NID_ext_key_usage, leaf.extended_key_usage);
  // Two roots of one name are told apart by it.
  if (is_root) Extend(certificate.get(), NID_subject_key_identifier, "hash");
  const GeneralNames names = ToGeneralNames(leaf.names);
  if (sk_GENERAL_NAME_num(names.get()) > 0) {
    X509_add1_ext_i2d(certificate.get(), NID_subject_alt_name, names.get(), 1, 0);
  }
  REQUIRE(X509_sign(certificate.get(), signer.get(), EVP_sha256()) > 0);
  std::uint8_t* der = nullptr;
  const int length = i2d_X509(certificate.get(), &der);
  std::string pem = MakePem("CERTIFICATE", {der, static_cast<size_t>(length)});
  OPENSSL_free(der);
  return pem;
}

std::string RawRoot(const PrivateKey& key) {
  RawLeaf root{.names = {},
               .not_before = kNow - 10 * kDay,
               .not_after = kNow + 3650 * kDay,
               .extended_key_usage = nullptr,
               .basic_constraints = "critical,CA:TRUE",
               .key_usage = "critical,keyCertSign"};
  return SignRaw(key, root, true, key);
}

CertificateBundle MakeBundle(PrivateKey key, const std::string& pem, RootBundleRef roots) {
  auto bundle = CertificateBundle::Make(std::move(key), std::span(&pem, 1), std::move(roots));
  REQUIRE(bundle.ok());
  return *std::move(bundle);
}

}  // namespace

TestCa::TestCa()
    : key_(PrivateKey::Generate()),
      root_pem_(RawRoot(key_)),
      ca_(*LocalCa::FromPem(key_.ToPem(), root_pem_, root_pem_)) {}

CertificateBundle TestCa::Bundle(const Identity& identity, std::chrono::seconds ttl) const {
  PrivateKey key = PrivateKey::Generate();
  const auto leaf = ca_.Issue(key.get(), identity, ttl, kNow);
  REQUIRE(leaf.ok());
  return MakeBundle(std::move(key), *leaf, roots());
}

CertificateBundle TestCa::ServerBundle(const std::string& dns) const {
  PrivateKey key = PrivateKey::Generate();
  SubjectNames names;
  names.dns.push_back(dns);
  names.ips.push_back(Ip::Loopback4());
  const auto leaf = ca_.IssueServer(key.get(), names, kDay, kNow);
  REQUIRE(leaf.ok());
  return MakeBundle(std::move(key), *leaf, roots());
}

CertificateBundle TestCa::Raw(const RawLeaf& leaf) const {
  PrivateKey key = PrivateKey::Generate();
  const std::string pem = SignRaw(key, leaf, false, key_);
  return MakeBundle(std::move(key), pem, roots());
}

CertificateBundle TestCa::RawUris(std::vector<std::string> uris) const {
  RawLeaf leaf;
  leaf.names.uris = std::move(uris);
  return Raw(leaf);
}

CertificateBundle TestCa::WithRoots(const CertificateBundle& bundle, RootBundleRef roots) {
  return MakeBundle(bundle.key(), bundle.ChainPem(), std::move(roots));
}

const TestCa& SharedCa() {
  static const TestCa ca;
  return ca;
}

const TestCa& OtherCa() {
  static const TestCa ca;
  return ca;
}

TlsContextRef ClientContext() {
  static const TlsContextRef context = TlsContext::MeshClient(SharedCa().Bundle(kClientId));
  return context;
}

TlsContextRef ServerContext() {
  static const TlsContextRef context = TlsContext::MeshServer(SharedCa().Bundle(kServerId));
  return context;
}

TlsEngine NewClient() { return TlsEngine(ClientContext(), OneOf{{kServerId}}, kNow); }
TlsEngine NewServer() { return TlsEngine(ServerContext(), InTrustDomain{"cluster.local"}, kNow); }

std::string TakeBytes(TlsEngine& engine) {
  std::string bytes;
  for (const Chunk& chunk : engine.TakeOutput()) bytes += chunk.text();
  return bytes;
}

void FeedBytes(TlsEngine& engine, std::string_view bytes) {
  engine.Feed(Chunk::CopyOf(bytes));
  engine.Step();
}

bool Move(TlsEngine& from, TlsEngine& to, size_t step) {
  const std::string bytes = TakeBytes(from);
  for (std::string_view left = bytes; !left.empty();) {
    const std::string_view part = left.substr(0, step);
    FeedBytes(to, part);
    left.remove_prefix(part.size());
  }
  return !bytes.empty();
}

void Handshake(TlsEngine& client, TlsEngine& server, size_t step) {
  client.Step();
  server.Step();
  bool moved = true;
  while (moved) {
    moved = Move(client, server, step);
    moved = Move(server, client, step) || moved;
  }
}

std::string OpenAll(TlsEngine& engine) {
  std::string plaintext;
  while (true) {
    const Chunk chunk = engine.Open();
    if (chunk.empty()) return plaintext;
    plaintext += chunk.text();
  }
}

}  // namespace aquifer::certs::test
