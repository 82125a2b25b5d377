#include "certs/tls_context.h"

#include <openssl/err.h>

#include <array>

#include "core/base/bytes.h"
#include "core/base/check.h"

namespace aquifer::certs {
namespace {

constexpr std::array<std::uint16_t, 2> kSuites = {SSL_CIPHER_AES_256_GCM_SHA384,
                                                  SSL_CIPHER_AES_128_GCM_SHA256};
// P-384 comes last for peers whose library has nothing else of ours.
constexpr std::array<std::uint16_t, 4> kGroups = {SSL_GROUP_X25519_MLKEM768, SSL_GROUP_X25519,
                                                  SSL_GROUP_SECP256R1, SSL_GROUP_SECP384R1};
// A chain of ten P-256 certificates takes about 8 KiB, one of RSA twice that.
constexpr size_t kMaxPeerChainBytes = 64 * 1024;

void SetGroups(SSL_CTX* context, KeyExchange groups) {
  const size_t count = groups == KeyExchange::kHybridOnly ? 1 : kGroups.size();
  AQ_CHECK(SSL_CTX_set1_group_ids(context, kGroups.data(), count));
}

}  // namespace

TlsContext::TlsContext(bool is_server, PeerCertificate peer, RootBundleRef roots,
                       std::vector<std::string> protocols, KeyExchange groups)
    : is_server_(is_server),
      peer_certificate_(peer),
      roots_(std::move(roots)),
      protocols_(std::move(protocols)),
      context_(SSL_CTX_new(TLS_with_buffers_method())) {
  SSL_CTX* context = context_.get();
  AQ_CHECK(context != nullptr);
  AQ_CHECK(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION));
  AQ_CHECK(SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION));
  AQ_CHECK(SSL_CTX_set1_tls13_ciphers(context, kSuites.data(), nullptr, kSuites.size()));
  SetGroups(context, groups);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_cert_list(context, kMaxPeerChainBytes);
  SetProtocols();
}

TlsContextRef TlsContext::MeshClient(const CertificateBundle& own, KeyExchange groups) {
  std::shared_ptr<TlsContext> context(
      new TlsContext(false, PeerCertificate::kRequired, own.roots(), {"h2"}, groups));
  context->SetCredential(own);
  return context;
}

TlsContextRef TlsContext::MeshServer(const CertificateBundle& own, KeyExchange groups) {
  std::shared_ptr<TlsContext> context(
      new TlsContext(true, PeerCertificate::kRequired, own.roots(), {"h2"}, groups));
  context->SetCredential(own);
  return context;
}

TlsContextRef TlsContext::HostClient(RootBundleRef roots, std::vector<std::string> protocols) {
  return TlsContextRef(new TlsContext(false, PeerCertificate::kRequired, std::move(roots),
                                      std::move(protocols), KeyExchange::kHybridPreferred));
}

TlsContextRef TlsContext::HostClient(const CertificateBundle& own,
                                     std::vector<std::string> protocols) {
  std::shared_ptr<TlsContext> context(new TlsContext(false, PeerCertificate::kRequired, own.roots(),
                                                     std::move(protocols),
                                                     KeyExchange::kHybridPreferred));
  context->SetCredential(own);
  return context;
}

TlsContextRef TlsContext::HostServer(const CertificateBundle& own, PeerCertificate peer,
                                     std::vector<std::string> protocols) {
  std::shared_ptr<TlsContext> context(
      new TlsContext(true, peer, own.roots(), std::move(protocols), KeyExchange::kHybridPreferred));
  context->SetCredential(own);
  return context;
}

void TlsContext::SetProtocols() {
  AQ_CHECK(!protocols_.empty());
  for (const std::string& protocol : protocols_) {
    AQ_CHECK(!protocol.empty() && protocol.size() < 256);
    wire_protocols_.push_back(static_cast<char>(protocol.size()));
    wire_protocols_ += protocol;
  }
  const Bytes wire = AsBytes(wire_protocols_);
  if (is_server_) {
    SSL_CTX_set_alpn_select_cb(context_.get(), &ChooseProtocol, this);
  } else {
    AQ_CHECK(SSL_CTX_set_alpn_protos(context_.get(), wire.data(), wire.size()) == 0);
  }
}

void TlsContext::SetCredential(const CertificateBundle& own) {
  bssl::UniquePtr<SSL_CREDENTIAL> credential(SSL_CREDENTIAL_new_x509());
  AQ_CHECK(credential != nullptr);
  std::vector<CRYPTO_BUFFER*> chain;
  for (const auto& certificate : own.chain()) chain.push_back(certificate.get());
  AQ_CHECK(SSL_CREDENTIAL_set1_cert_chain(credential.get(), chain.data(), chain.size()));
  AQ_CHECK(SSL_CREDENTIAL_set1_private_key(credential.get(), own.key().get()));
  AQ_CHECK(SSL_CTX_add1_credential(context_.get(), credential.get()));
}

int TlsContext::ChooseProtocol(SSL*, const std::uint8_t** chosen, std::uint8_t* chosen_length,
                               const std::uint8_t* offered, unsigned offered_length,
                               void* context) {
  const Bytes ours = AsBytes(static_cast<TlsContext*>(context)->wire_protocols_);
  std::uint8_t* selected = nullptr;
  const int answer = SSL_select_next_proto(&selected, chosen_length, ours.data(), ours.size(),
                                           offered, offered_length);
  if (answer != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *chosen = selected;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace aquifer::certs
