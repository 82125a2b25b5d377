// A client of the library itself, for what our own contexts never do, and what every test of a
// refusal looks at.
#pragma once

#include <openssl/ssl.h>

#include <string>
#include <string_view>

#include "tests/unit/certs/support.h"

namespace aquifer::certs::test {

// Text that shows a shift or a swap.
inline std::string Pattern(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i * 31 % 26);
  return text;
}

inline void CheckRefused(const TlsEngine& engine, Reason reason) {
  CHECK(engine.state() == TlsEngine::State::kFailed);
  CHECK(engine.failure().error.reason == reason);
  CHECK(!engine.failure().detail.empty());
}

class RawClient {
 public:
  explicit RawClient(SSL_CTX* context) : ssl_(SSL_new(context)) {
    SSL_set_bio(ssl_.get(), in_.release(), out_.release());
    SSL_set_connect_state(ssl_.get());
    SSL_set_custom_verify(ssl_.get(), SSL_VERIFY_NONE,
                          [](SSL*, std::uint8_t*) { return ssl_verify_ok; });
  }
  SSL* ssl() { return ssl_.get(); }
  int Handshake(TlsEngine& server) {
    int result = 0;
    for (int turn = 0; turn < 4 && result != 1; ++turn) {
      result = SSL_do_handshake(ssl_.get());
      Send(server);
      Receive(server);
    }
    Send(server);
    return result;
  }
  void Send(TlsEngine& server) {
    const std::uint8_t* bytes = nullptr;
    size_t size = 0;
    REQUIRE(BIO_mem_contents(SSL_get_wbio(ssl_.get()), &bytes, &size));
    if (size > 0) FeedBytes(server, AsText({bytes, size}));
    BIO_reset(SSL_get_wbio(ssl_.get()));
  }
  void Receive(TlsEngine& server) {
    const std::string bytes = TakeBytes(server);
    if (!bytes.empty())
      BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
  }

 private:
  bssl::UniquePtr<BIO> in_{BIO_new(BIO_s_mem())};
  bssl::UniquePtr<BIO> out_{BIO_new(BIO_s_mem())};
  bssl::UniquePtr<SSL> ssl_;
};

// With the mesh client's certificate but no rules of ours.
inline bssl::UniquePtr<SSL_CTX> RawContext() {
  bssl::UniquePtr<SSL_CTX> context(SSL_CTX_new(TLS_with_buffers_method()));
  const CertificateBundle own = SharedCa().Bundle(kClientId);
  bssl::UniquePtr<SSL_CREDENTIAL> credential(SSL_CREDENTIAL_new_x509());
  CRYPTO_BUFFER* chain[] = {own.chain()[0].get()};
  REQUIRE(SSL_CREDENTIAL_set1_cert_chain(credential.get(), chain, 1));
  REQUIRE(SSL_CREDENTIAL_set1_private_key(credential.get(), own.key().get()));
  REQUIRE(SSL_CTX_add1_credential(context.get(), credential.get()));
  return context;
}

inline void OfferProtocols(RawClient& client, std::string_view wire) {
  REQUIRE(SSL_set_alpn_protos(client.ssl(), AsBytes(wire).data(), wire.size()) == 0);
}

}  // namespace aquifer::certs::test
