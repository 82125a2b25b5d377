#include "certs/ca_service.h"

#include <algorithm>
#include <utility>

#include "certs/proto/ca.pb.h"

namespace aquifer::certs {
namespace {

using http::GrpcCode;
using http::GrpcStatus;
using Request = istio::v1::auth::IstioCertificateRequest;

Result<SigningRequest, GrpcStatus> Decode(const Request& message, const Ip& peer) {
  auto csr = ParseCsr(message.csr());
  if (!csr) return GrpcStatus{GrpcCode::kInvalidArgument, csr.error().ToString()};
  if (message.validity_duration() < 0)
    return GrpcStatus{GrpcCode::kInvalidArgument, "validity_duration: is negative"};
  SigningRequest request{*std::move(csr), std::nullopt,
                         std::chrono::seconds(message.validity_duration()), peer};
  const auto& fields = message.metadata().fields();
  const auto found = fields.find("ImpersonatedIdentity");
  if (found == fields.end()) return request;
  auto identity = Identity::Parse(found->second.string_value());
  if (!identity) {
    return GrpcStatus{GrpcCode::kInvalidArgument,
                      "metadata.ImpersonatedIdentity: " + identity.error().ToString()};
  }
  request.impersonated = *std::move(identity);
  return request;
}

}  // namespace

CaService::CaService(const LocalCa& ca, SigningPolicy& policy, WallClock clock,
                     const CaServiceOptions& options)
    : ca_(ca), policy_(policy), clock_(std::move(clock)), options_(options) {}

void CaService::RegisterWith(http::GrpcServer& server) {
  server.Register(
      "/istio.v1.auth.IstioCertificateService/CreateCertificate",
      [this](http::GrpcServerCall& call, StopToken stop) { return CreateCertificate(call, stop); });
}

Task<GrpcStatus> CaService::CreateCertificate(http::GrpcServerCall& call, StopToken stop) {
  const Result<std::optional<std::string>> message = co_await call.Receive(stop);
  if (!message) co_return GrpcStatus{GrpcCode::kCancelled, "the request did not arrive"};
  Request decoded;
  if (!message->has_value() || !decoded.ParseFromString(**message)) {
    co_return Malformed(call, {GrpcCode::kInvalidArgument, "the request cannot be decoded"});
  }
  const Result<SigningRequest, GrpcStatus> request = Decode(decoded, call.peer());
  if (!request) co_return Malformed(call, request.error());
  const Result<Identity, GrpcStatus> identity =
      co_await policy_.Authorize(call.request(), *request, stop);
  if (!identity) co_return identity.error();
  const Decoded<std::string> leaf = ca_.Issue(request->csr.public_key.get(), *identity,
                                              TtlFor(decoded.validity_duration()), clock_());
  if (!leaf) co_return GrpcStatus{GrpcCode::kInternal, leaf.error().ToString()};
  istio::v1::auth::IstioCertificateResponse response;
  for (std::string& element : ca_.ResponseChain(*leaf)) response.add_cert_chain(std::move(element));
  std::string bytes = response.SerializeAsString();
  const Status sent = co_await call.Send(std::move(bytes), stop);
  if (!sent) co_return GrpcStatus{GrpcCode::kCancelled, "the answer was not taken"};
  co_return GrpcStatus();
}

GrpcStatus CaService::Malformed(const http::GrpcServerCall& call, GrpcStatus status) const {
  policy_.OnMalformed(call.request(), status);
  return status;
}

std::chrono::seconds CaService::TtlFor(std::int64_t asked_seconds) const {
  if (asked_seconds <= 0) return options_.default_ttl;
  return std::min(std::chrono::seconds(asked_seconds), options_.longest_ttl);
}

}  // namespace aquifer::certs
