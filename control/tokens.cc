#include "control/tokens.h"

#include <openssl/mem.h>
#include <openssl/rand.h>

#include <filesystem>
#include <set>

#include "certs/file.h"

namespace aquifer::control {
namespace {

constexpr std::size_t kTokenBytes = 32;
constexpr std::size_t kMaxTokenFileBytes = 4096;
constexpr const char* kGatewayNameLabel = "gateway.networking.k8s.io/gateway-name";

std::string NewToken() {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::array<std::uint8_t, kTokenBytes> random{};
  RAND_bytes(random.data(), random.size());
  std::string token;
  for (const std::uint8_t byte : random) token += {kHex[byte >> 4], kHex[byte & 15]};
  return token;
}

// Names become file names: nothing that leaves the directory.
bool IsPlainName(const std::string& name) {
  return !name.empty() && name.size() < 254 && name.front() != '.' && name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
}

http::GrpcStatus Denied(std::string why) { return {http::GrpcCode::kPermissionDenied, std::move(why)}; }

}  // namespace

std::string ToString(const Caller& caller) {
  if (const auto* node = std::get_if<NodeCaller>(&caller)) return "node " + node->node;
  return std::get<WorkloadCaller>(caller).identity.ToString();
}

Result<void, Refusal> Tokens::Follow(const ObjectSet& objects) {
  std::map<std::string, Caller> wanted;
  for (const auto& [key, pod] : objects.pods) {
    if (IsPlainName(pod.node_name)) wanted["node/" + pod.node_name] = NodeCaller{pod.node_name};
    const bool gateway = pod.meta.labels.find(kGatewayNameLabel) != pod.meta.labels.end();
    if (!gateway || !IsPlainName(pod.meta.namespace_name) || !IsPlainName(pod.service_account)) continue;
    const Decoded<certs::Identity> identity = certs::Identity::Make(trust_domain_, pod.meta.namespace_name, pod.service_account);
    if (identity.ok()) wanted["workload/" + pod.meta.namespace_name + "/" + pod.service_account] = WorkloadCaller{*identity};
  }
  for (const auto& [path, caller] : wanted) {
    if (by_path_.contains(path)) continue;
    const Result<void, Refusal> made = Ensure(path, caller);
    if (!made.ok()) return made;
  }
  return {};
}

Result<void, Refusal> Tokens::Ensure(const std::string& path, const Caller& caller) {
  const std::filesystem::path file = std::filesystem::path(directory_) / path;
  std::error_code problem;
  std::filesystem::create_directories(file.parent_path(), problem);
  if (problem) return Refusal{file.parent_path().string(), "cannot be made: " + problem.message()};
  Result<std::string> token = certs::ReadSmallFile(file.string(), kMaxTokenFileBytes);
  if (!token && token.error().reason == Reason::kNotFound) {
    token = NewToken();
    const Status written = certs::WriteFileWhole(file.string(), *token, 0600);
    if (!written) return Refusal{file.string(), "cannot be written: " + Describe(written.error())};
  }
  if (!token) return Refusal{file.string(), "cannot be read: " + Describe(token.error())};
  while (!token->empty() && (token->back() == '\n' || token->back() == ' ')) token->pop_back();
  if (token->size() < kTokenBytes) return Refusal{file.string(), "is too short to be a token"};
  by_path_[path] = *token;
  by_token_.insert_or_assign(*token, caller);
  return {};
}

std::optional<Caller> Tokens::CallerOf(const http::RequestHead& head) const {
  constexpr std::string_view kBearer = "Bearer ";
  const std::string_view field = head.headers.Get("authorization").value_or("");
  if (!field.starts_with(kBearer)) return std::nullopt;
  const std::string_view shown = field.substr(kBearer.size());
  std::optional<Caller> caller;
  // Every token is compared in full: how long this takes says nothing about how much of one was right.
  for (const auto& [token, owner] : by_token_) {
    if (token.size() == shown.size() && CRYPTO_memcmp(token.data(), shown.data(), shown.size()) == 0) caller = owner;
  }
  return caller;
}

bool TokenPolicy::RunsOn(const std::string& node, const certs::Identity& identity) const {
  for (const auto& [key, pod] : objects_->pods) {
    if (pod.node_name == node && pod.meta.namespace_name == identity.ns && pod.service_account == identity.service_account) return true;
  }
  return false;
}

Task<Result<certs::Identity, http::GrpcStatus>> TokenPolicy::Authorize(const http::RequestHead& caller, const certs::SigningRequest& request,
                                                                       StopToken) {
  const std::optional<Caller> who = tokens_.CallerOf(caller);
  if (!who) {
    log_.Warn("ca", "certificate refused", {{"why", "no token, or one that nobody has"}});
    co_return http::GrpcStatus{http::GrpcCode::kUnauthenticated, "a token of this mesh is needed"};
  }
  const auto refuse = [&](const std::string& why) {
    log_.Warn("ca", "certificate refused",
              {{"caller", ToString(*who)}, {"identity", request.impersonated ? request.impersonated->ToString() : std::string()}, {"why", why}});
    return Denied(why);
  };
  if (const auto* workload = std::get_if<WorkloadCaller>(&*who)) {
    if (request.impersonated && *request.impersonated != workload->identity) co_return refuse("this token is for " + workload->identity.ToString());
    log_.Info("ca", "certificate signed", {{"caller", ToString(*who)}, {"identity", workload->identity.ToString()}});
    co_return workload->identity;
  }
  const std::string& node = std::get<NodeCaller>(*who).node;
  if (!request.impersonated) co_return refuse("a node asks in the name of a workload (ImpersonatedIdentity)");
  if (request.impersonated->trust_domain != trust_domain_) co_return refuse("the trust domain is " + trust_domain_);
  if (!RunsOn(node, *request.impersonated)) co_return refuse("no pod of that account is scheduled on " + node);
  log_.Info("ca", "certificate signed", {{"caller", ToString(*who)}, {"identity", request.impersonated->ToString()}});
  co_return *request.impersonated;
}

}  // namespace aquifer::control
