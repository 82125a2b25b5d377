// Who is calling? In the mode without Kubernetes callers show a token that this control plane made: one for each node, one for each account
// that a waypoint or gateway runs as, in <state>/tokens, readable by their owner only. A node's token may ask for certificates of the pods
// that are scheduled there and of nobody else; an account's token for that account. One loop.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "certs/ca_service.h"
#include "control/object_set.h"
#include "core/obs/log.h"

namespace aquifer::control {

struct NodeCaller {
  std::string node;
};
struct WorkloadCaller {
  certs::Identity identity;
};
using Caller = std::variant<NodeCaller, WorkloadCaller>;

// "node node1", "spiffe://...": for logs.
std::string ToString(const Caller& caller);

class Tokens {
 public:
  // `directory` is made if it is not there. `trust_domain` is that of the identities.
  Tokens(std::string directory, std::string trust_domain) : directory_(std::move(directory)), trust_domain_(std::move(trust_domain)) {}

  // Reads what is there and makes what the objects need and is missing. The refusal's field is a path.
  Result<void, Refusal> Follow(const ObjectSet& objects);
  // By the authorization field of a call.
  std::optional<Caller> CallerOf(const http::RequestHead& head) const;

 private:
  Result<void, Refusal> Ensure(const std::string& path, const Caller& caller);

  std::string directory_;
  std::string trust_domain_;
  std::map<std::string, Caller> by_token_;
  std::map<std::string, std::string> by_path_;
};

// What the CA signs for whom, by the objects of the moment.
class TokenPolicy final : public certs::SigningPolicy {
 public:
  TokenPolicy(const Tokens& tokens, const std::shared_ptr<const ObjectSet>& objects, std::string trust_domain, obs::Logger& log)
      : tokens_(tokens), objects_(objects), trust_domain_(std::move(trust_domain)), log_(log) {}

  Task<Result<certs::Identity, http::GrpcStatus>> Authorize(const http::RequestHead& caller, const certs::SigningRequest& request,
                                                            StopToken stop) override;

 private:
  bool RunsOn(const std::string& node, const certs::Identity& identity) const;

  const Tokens& tokens_;
  const std::shared_ptr<const ObjectSet>& objects_;  // replaced by its owner
  std::string trust_domain_;
  obs::Logger& log_;
};

}  // namespace aquifer::control
