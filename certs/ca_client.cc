#include "certs/ca_client.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "certs/csr.h"
#include "certs/proto/ca.pb.h"
#include "core/http/grpc_client.h"

namespace aquifer::certs {
namespace {

constexpr std::string_view kMethod = "/istio.v1.auth.IstioCertificateService/CreateCertificate";
// A chain and a bundle of roots; the bundle alone may have 1 MiB.
constexpr size_t kMaxAnswerBytes = 2 * 1024 * 1024;
constexpr size_t kMaxChainElements = 16;
constexpr size_t kMaxDetailBytes = 512;

Failure Unavailable(std::string why) {
  if (why.size() > kMaxDetailBytes) why.resize(kMaxDetailBytes);
  return Failure{Error{Reason::kIdentityUnavailable}, std::move(why)};
}

Result<CertificateBundle, Failure> TakeAnswer(PrivateKey key, const Identity& identity,
                                              const std::string& message) {
  istio::v1::auth::IstioCertificateResponse response;
  if (!response.ParseFromString(message)) return Unavailable("the CA's answer cannot be decoded");
  if (static_cast<size_t>(response.cert_chain_size()) > kMaxChainElements) {
    return Unavailable("the CA's answer has more than 16 elements");
  }
  const std::vector<std::string> chain(response.cert_chain().begin(), response.cert_chain().end());
  auto bundle = CertificateBundle::FromResponse(std::move(key), chain);
  if (!bundle) return Unavailable("the CA's answer: " + bundle.error().ToString());
  if (bundle->identity() != identity) {
    const std::string found = bundle->identity() ? bundle->identity()->ToString() : "nobody";
    return Unavailable(
        absl::StrCat("the CA's answer is for ", found, " instead of ", identity.ToString()));
  }
  return *std::move(bundle);
}

}  // namespace

Task<Result<CertificateBundle, Failure>> CaClient::Fetch(Identity identity, StopToken stop) {
  const PrivateKey key = PrivateKey::Generate();
  std::string request = RequestFor(identity, key);
  const Result<http::GrpcReply, Failure> reply = co_await Call(std::move(request), stop);
  if (!reply) co_return reply.error();
  if (!reply->status.ok()) {
    co_return Unavailable("the CA refused: " + reply->status.ToString());
  }
  co_return TakeAnswer(key, identity, reply->message);
}

std::string CaClient::RequestFor(const Identity& identity, const PrivateKey& key) const {
  istio::v1::auth::IstioCertificateRequest request;
  request.set_csr(MakeCsr(key, identity));
  request.set_validity_duration(options_.ttl.count());
  if (options_.caller == CaClientOptions::Caller::kNode) {
    auto& fields = *request.mutable_metadata()->mutable_fields();
    fields["ImpersonatedIdentity"].set_string_value(identity.ToString());
  }
  return request.SerializeAsString();
}

Task<Result<http::GrpcReply, Failure>> CaClient::Call(std::string request, StopToken stop) {
  const Result<http::H2Connection*, Failure> connection = co_await channel_.Connect(stop);
  if (!connection) co_return connection.error();
  http::GrpcCallSpec spec = channel_.CallSpec(std::string(kMethod));
  spec.max_message_bytes = kMaxAnswerBytes;
  Result<http::GrpcReply> reply =
      co_await http::CallUnary(**connection, std::move(spec), std::move(request), stop);
  if (!reply) {
    const std::string why = Describe(reply.error());
    co_return Failure{reply.error(), absl::StrCat("calling ", channel_.address(), ": ", why)};
  }
  co_return *std::move(reply);
}

}  // namespace aquifer::certs
