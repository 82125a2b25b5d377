// The first bytes of a connection to the HBONE port, from anybody: into the server engine whole and
// then byte by byte, which must come to the same verdict. Our key and certificate are made once, so
// that the cost is the parser's; the library draws its own randomness, which only changes output.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "certs/local_ca.h"
#include "certs/tls_engine.h"
#include "core/base/check.h"

namespace {

using namespace aquifer;
using certs::TlsEngine;

constexpr certs::WallTime kNow{std::chrono::seconds(1767225600)};

certs::TlsContextRef MakeContext() {
  const certs::LocalCa ca = certs::LocalCa::Create("fuzz", kNow);
  certs::PrivateKey key = certs::PrivateKey::Generate();
  const auto leaf = ca.Issue(key.get(), {"cluster.local", "a", "b"}, std::chrono::hours(1), kNow);
  AQ_CHECK(leaf.ok());
  const auto bundle = certs::CertificateBundle::FromResponse(key, ca.ResponseChain(*leaf));
  AQ_CHECK(bundle.ok());
  return certs::TlsContext::MeshServer(*bundle);
}

TlsEngine::State Run(const certs::TlsContextRef& context, Bytes input, size_t step) {
  TlsEngine engine(context, certs::InTrustDomain{"cluster.local"}, kNow);
  engine.Step();
  while (!input.empty()) {
    const Bytes part = input.first(std::min(step, input.size()));
    engine.Feed(Chunk::CopyOf(part));
    engine.Step();
    while (!engine.Open().empty()) {
    }
    input = input.subspan(part.size());
  }
  AQ_CHECK(engine.state() != TlsEngine::State::kOpen);  // nobody guesses a certificate's signature
  return engine.state();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, size_t size) {
  static const certs::TlsContextRef context = MakeContext();
  const Bytes input(data, size);
  AQ_CHECK(Run(context, input, input.size() + 1) == Run(context, input, 1));
  return 0;
}
