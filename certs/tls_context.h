// What all TLS connections of one certificate have in common, built once and shared by every
// worker: versions, suites, groups, ALPN, our chain and key, the roots for the peer's. TLS 1.3 (RFC
// 8446) only, AES-GCM only, no tickets, no resumption, no early data: each connection proves its
// identity anew. Immutable; any thread.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <vector>

#include "certs/bundle.h"

namespace aquifer::certs {

class TlsContext;
using TlsContextRef = std::shared_ptr<const TlsContext>;

enum class KeyExchange {
  kHybridPreferred,  // X25519MLKEM768, then X25519, P-256, P-384
  kHybridOnly,       // X25519MLKEM768 or nothing
};

enum class PeerCertificate { kNone, kOptional, kRequired };

class TlsContext {
 public:
  // HBONE's client: shows `own`, sends no server name, requires ALPN h2.
  static TlsContextRef MeshClient(const CertificateBundle& own,
                                  KeyExchange groups = KeyExchange::kHybridPreferred);
  // HBONE's server: as above, and a peer without a certificate is refused.
  static TlsContextRef MeshServer(const CertificateBundle& own,
                                  KeyExchange groups = KeyExchange::kHybridPreferred);
  // A client of servers that are known by host name (control plane, CA): no certificate of our own.
  static TlsContextRef HostClient(RootBundleRef roots, std::vector<std::string> protocols = {"h2"});
  // The same for servers that ask who we are: `own` is shown to those, and its roots count.
  static TlsContextRef HostClient(const CertificateBundle& own,
                                  std::vector<std::string> protocols = {"h2"});
  // A server that is known by host name. Peers' certificates, where they are asked for, end in
  // own.roots().
  static TlsContextRef HostServer(const CertificateBundle& own, PeerCertificate peer,
                                  std::vector<std::string> protocols = {"h2"});

  SSL_CTX* get() const { return context_.get(); }
  bool is_server() const { return is_server_; }
  PeerCertificate peer_certificate() const { return peer_certificate_; }
  const RootBundle& roots() const { return *roots_; }
  // What ALPN (RFC 7301) may choose, best first. A connection that chose none of them is refused.
  const std::vector<std::string>& protocols() const { return protocols_; }

 private:
  TlsContext(bool is_server, PeerCertificate peer, RootBundleRef roots,
             std::vector<std::string> protocols, KeyExchange groups);
  void SetProtocols();
  void SetCredential(const CertificateBundle& own);
  static int ChooseProtocol(SSL* ssl, const std::uint8_t** chosen, std::uint8_t* chosen_length,
                            const std::uint8_t* offered, unsigned offered_length, void* context);

  bool is_server_;
  PeerCertificate peer_certificate_;
  RootBundleRef roots_;
  std::vector<std::string> protocols_;
  std::string wire_protocols_;  // as RFC 7301 section 3.1 writes them; callbacks point into it
  bssl::UniquePtr<SSL_CTX> context_;
};

}  // namespace aquifer::certs
