// The CA's side of CreateCertificate: takes a request apart, asks the policy who the caller may be,
// and signs that, never what the request wished for. Registered with a gRPC server of its loop; one
// instance serves all connections.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "certs/csr.h"
#include "certs/identity.h"
#include "certs/local_ca.h"
#include "certs/wall_clock.h"
#include "core/base/address.h"
#include "core/http/grpc_server.h"

namespace aquifer::certs {

struct SigningRequest {
  CertificateRequest csr;
  std::optional<Identity> impersonated;  // what a node proxy asks for in the name of a workload
  std::chrono::seconds lifetime{};       // 0: whatever is usual
  Ip peer;                               // whom it comes from
};

// Who may have which identity.
class SigningPolicy {
 public:
  virtual ~SigningPolicy() = default;

  // `caller` is the head of the call, with its authorization field. Both outlive the call. The
  // status is the caller's to read: it says no more than they may know.
  virtual Task<Result<Identity, http::GrpcStatus>> Authorize(const http::RequestHead& caller,
                                                             const SigningRequest& request,
                                                             StopToken stop) = 0;
  // A call that was refused before there was anything to decide, for log and metrics.
  virtual void OnMalformed(const http::RequestHead& caller, const http::GrpcStatus& status) = 0;
};

struct CaServiceOptions {
  std::chrono::seconds default_ttl = std::chrono::hours(24);
  std::chrono::seconds longest_ttl = std::chrono::days(90);  // who asks for more gets that
};

class CaService {
 public:
  // All of them outlive the service, and the service the server it is registered with.
  CaService(const LocalCa& ca, SigningPolicy& policy, WallClock clock,
            const CaServiceOptions& options = {});

  void RegisterWith(http::GrpcServer& server);

 private:
  Task<http::GrpcStatus> CreateCertificate(http::GrpcServerCall& call, StopToken stop);
  http::GrpcStatus Malformed(const http::GrpcServerCall& call, http::GrpcStatus status) const;
  std::chrono::seconds TtlFor(std::int64_t asked_seconds) const;

  const LocalCa& ca_;
  SigningPolicy& policy_;
  WallClock clock_;
  CaServiceOptions options_;
};

}  // namespace aquifer::certs
