#include "control/tokens.h"

#include <openssl/rand.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <utility>

#include "absl/strings/ascii.h"
#include "certs/file.h"
#include "control/callers.h"
#include "control/reconcile/gateways.h"
#include "control/resources.h"
#include "core/http/header.h"

namespace aquifer::control {
namespace {

constexpr std::size_t kTokenBytes = 32;
constexpr std::size_t kMaxTokenFileBytes = 4096;
constexpr std::string_view kGatewayNameLabel = "gateway.networking.k8s.io/gateway-name";

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
  return !name.empty() && name.size() < 254 && name.front() != '.' &&
         name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
}

// Empty for a name that is no file name.
std::string PathOf(const Caller& caller) {
  if (const auto* node = std::get_if<NodeCaller>(&caller)) {
    return IsPlainName(node->node) ? "node/" + node->node : "";
  }
  const certs::Identity& identity = std::get<WorkloadCaller>(caller).identity;
  if (!IsPlainName(identity.ns) || !IsPlainName(identity.service_account)) return "";
  return "workload/" + identity.ns + "/" + identity.service_account;
}

// The certificate would not say what the request does, so one of both is a mistake.
Decoded<certs::Identity> OnlyNamed(const certs::SubjectNames& wished, certs::Identity identity) {
  for (const std::string& uri : wished.uris) {
    if (uri != identity.ToString()) return Refusal{"", "the CSR names " + uri.substr(0, 512)};
  }
  if (!wished.dns.empty()) return Refusal{"", "the CSR names " + wished.dns.front().substr(0, 253)};
  if (!wished.ips.empty()) return Refusal{"", "the CSR names " + wished.ips.front().ToString()};
  return identity;
}

// Each level for its owner only; those that are there already are left as they are.
Status MakePrivateDirectories(const std::filesystem::path& path) {
  if (path.has_parent_path() && !std::filesystem::exists(path.parent_path())) {
    AQ_TRY_STATUS(MakePrivateDirectories(path.parent_path()));
  }
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return Error{Reason::kSystem, errno};
}

}  // namespace

std::string ToString(const Caller& caller) {
  if (const auto* node = std::get_if<NodeCaller>(&caller)) return "node " + node->node;
  return std::get<WorkloadCaller>(caller).identity.ToString();
}

std::set<Caller> CallersOf(const ObjectSet& objects, const MeshSettings& settings) {
  std::set<Caller> callers;
  const auto add_workload = [&](const std::string& space, const std::string& account) {
    const auto identity = certs::Identity::Make(settings.trust_domain, space, account);
    if (identity.ok()) callers.insert(WorkloadCaller{*identity});
  };
  for (const auto& [key, node] : objects.nodes) callers.insert(NodeCaller{node.meta.name});
  for (const auto& [key, pod] : objects.pods) {
    if (HasEnded(pod)) continue;
    if (!pod.node_name.empty()) callers.insert(NodeCaller{pod.node_name});
    if (pod.meta.labels.contains(kGatewayNameLabel)) {
      add_workload(pod.meta.namespace_name, pod.service_account);
    }
  }
  const MeshIndex index(objects, settings);
  for (const auto& [key, gateway] : BindGateways(index)) {
    add_workload(gateway.namespace_name(), gateway.service_account);
  }
  return callers;
}

Result<void, Refusal> Tokens::Follow(const std::set<Caller>& callers) {
  Result<void, Refusal> outcome;
  const std::map<Caller, Known> before = std::exchange(known_, {});
  by_token_hash_.clear();
  for (const Caller& caller : callers) {
    const auto found = before.find(caller);
    Result<void, Refusal> ensured =
        Ensure(caller, found == before.end() ? nullptr : &found->second);
    if (outcome.ok() && !ensured.ok()) outcome = std::move(ensured);
  }
  return outcome;
}

Result<void, Refusal> Tokens::Ensure(const Caller& caller, const Known* before) {
  const std::string path = PathOf(caller);
  if (path.empty()) return Refusal{ToString(caller), "cannot be the name of a token's file"};
  const std::string file = directory_ + "/" + path;
  const auto stamp = StampOf(file, std::chrono::system_clock::now());
  const bool unchanged = before != nullptr && stamp && IsUnchanged(before->file, *stamp);
  AQ_TRY(Known known, unchanged ? Decoded<Known>(*before) : Read(file));
  if (!unchanged && stamp) known.file = *stamp;
  const auto [place, added] = by_token_hash_.emplace(known.hash, caller);
  // Two callers with one token would be each other.
  if (!added) return Refusal{file, "holds the token of " + ToString(place->second)};
  known_.emplace(caller, std::move(known));
  return {};
}

// Makes the file if it is not there.
Decoded<Tokens::Known> Tokens::Read(const std::string& file) {
  Result<std::string> token = certs::ReadSmallFile(file, kMaxTokenFileBytes);
  if (!token && token.error().reason == Reason::kNotFound) {
    token = NewToken();
    const std::filesystem::path parent = std::filesystem::path(file).parent_path();
    const Status made = MakePrivateDirectories(parent);
    if (!made) return Refusal{parent.string(), "cannot be made: " + Describe(made.error())};
    const Status written = certs::WriteFileWhole(file, *token, 0600);
    if (!written) return Refusal{file, "cannot be written: " + Describe(written.error())};
  }
  if (!token) return Refusal{file, "cannot be read: " + Describe(token.error())};
  const std::string_view text = absl::StripAsciiWhitespace(*token);
  if (text.size() < kTokenBytes) return Refusal{file, "is too short to be a token"};
  return Known{{}, ContentVersion(text)};
}

std::string_view BearerToken(const http::RequestHead& head) {
  constexpr std::string_view kBearer = "Bearer ";
  const std::string_view field = head.headers.Get("authorization").value_or("");
  if (!http::EqualsIgnoreCase(field.substr(0, kBearer.size()), kBearer)) return "";
  return absl::StripAsciiWhitespace(field.substr(kBearer.size()));
}

bool HasEnded(const Pod& pod) {
  return pod.phase == Pod::Phase::kSucceeded || pod.phase == Pod::Phase::kFailed;
}

std::optional<Caller> Tokens::CallerOf(const http::RequestHead& head) const {
  const std::string_view shown = BearerToken(head);
  if (shown.size() < kTokenBytes) return std::nullopt;
  const auto found = by_token_hash_.find(ContentVersion(shown));
  return found == by_token_hash_.end() ? std::nullopt : std::optional(found->second);
}

bool TokenPolicy::RunsOn(const std::string& node, const certs::Identity& identity) const {
  for (const auto& [key, pod] : objects_->pods) {
    if (pod.node_name == node && !HasEnded(pod) && pod.meta.namespace_name == identity.ns &&
        pod.service_account == identity.service_account) {
      return true;
    }
  }
  return false;
}

Decoded<certs::Identity> TokenPolicy::Decide(
    const Caller& caller, const std::optional<certs::Identity>& impersonated) const {
  if (const auto* workload = std::get_if<WorkloadCaller>(&caller)) {
    if (impersonated && *impersonated != workload->identity) {
      return Refusal{"", "this token is for " + workload->identity.ToString()};
    }
    if (tokens_.Knows(caller)) return workload->identity;
    return Refusal{"", "no gateway or waypoint runs as " + workload->identity.ToString()};
  }
  if (!impersonated) {
    return Refusal{"", "a node asks in the name of a workload (ImpersonatedIdentity)"};
  }
  if (impersonated->trust_domain != trust_domain_) {
    return Refusal{"", "the trust domain is " + trust_domain_};
  }
  const std::string& node = std::get<NodeCaller>(caller).node;
  if (RunsOn(node, *impersonated)) return *impersonated;
  return Refusal{"", "no pod of that account is scheduled on " + node};
}

http::GrpcStatus TokenPolicy::Refuse(std::string_view outcome, const std::string& caller,
                                     const std::string& identity, http::GrpcStatus status) {
  metrics_.certificates.With({{"outcome", outcome}})->Add();
  log_.Limited(refusals_, obs::Level::kWarn, "ca", "certificate refused",
               {{"caller", caller}, {"identity", identity}, {"why", status.message}});
  return status;
}

void TokenPolicy::OnMalformed(const http::RequestHead& caller, const http::GrpcStatus& status) {
  const std::optional<Caller> who = callers_.FindKnown(caller);
  Refuse("malformed", who ? ToString(*who) : "unknown", "", status);
}

Task<Result<certs::Identity, http::GrpcStatus>> TokenPolicy::Authorize(
    const http::RequestHead& caller, const certs::SigningRequest& request, StopToken stop) {
  const std::optional<Caller> who = co_await callers_.Find(caller, request.peer, stop);
  const std::string wanted = request.impersonated ? request.impersonated->ToString() : "";
  if (!who) {
    co_return Refuse("unauthenticated", "unknown", wanted,
                     {http::GrpcCode::kUnauthenticated, "a token of this mesh is needed"});
  }
  Decoded<certs::Identity> decided = Decide(*who, request.impersonated);
  if (decided.ok()) decided = OnlyNamed(request.csr.wished, *std::move(decided));
  if (!decided.ok()) {
    co_return Refuse("denied", ToString(*who), wanted,
                     {http::GrpcCode::kPermissionDenied, decided.error().why});
  }
  metrics_.certificates.With({{"outcome", "granted"}})->Add();
  log_.Info("ca", "certificate granted",
            {{"caller", ToString(*who)},
             {"identity", decided->ToString()},
             {"asked_seconds", request.lifetime.count()}});
  co_return *decided;
}

}  // namespace aquifer::control
