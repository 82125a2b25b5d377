// The mesh's CA over gRPC: istio.v1.auth.IstioCertificateService/CreateCertificate. Each request
// has a new key. Roots and token are read anew by the channel. Control loop.
#pragma once

#include <chrono>
#include <string>

#include "certs/authority.h"
#include "certs/channel.h"

namespace aquifer::certs {

struct CaClientOptions {
  std::chrono::seconds ttl = std::chrono::hours(24);  // SECRET_TTL
  // A node proxy asks in the name of its workloads; a proxy with one identity asks as itself.
  enum class Caller { kNode, kWorkload } caller = Caller::kNode;
};

class CaClient final : public Authority {
 public:
  // `channel` outlives the client.
  explicit CaClient(Channel& channel, const CaClientOptions& options = {})
      : channel_(channel), options_(options) {}

  // Refuses an answer that is not for `identity`, or not for the key.
  Task<Result<CertificateBundle, Failure>> Fetch(Identity identity, StopToken stop) override;

 private:
  std::string RequestFor(const Identity& identity, const PrivateKey& key) const;
  Task<Result<http::GrpcReply, Failure>> Call(std::string request, StopToken stop);

  Channel& channel_;
  CaClientOptions options_;
};

}  // namespace aquifer::certs
