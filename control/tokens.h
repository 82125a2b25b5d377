// Callers show a token that this control plane made (or, on a cluster, one of a service account:
// control/callers.h): one for each node, one for each account that a waypoint or gateway runs as,
// each in a file that only its owner can read:
//   <state>/tokens/node/<node>
//   <state>/tokens/workload/<namespace>/<account>
// A node's token may ask for certificates of the pods that are scheduled there and of nobody else,
// an account's token for that account. A file that is there is kept: a restart changes nothing.
// What the file holds is what counts: one that is rewritten exchanges the token, one that is
// removed is made anew, and who is called for no longer has no token. One loop.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>

#include "certs/ca_service.h"
#include "control/metrics.h"
#include "control/object_set.h"
#include "control/reconcile/settings.h"
#include "core/base/file_stamp.h"
#include "core/obs/log.h"
#include "core/obs/rate_limiter.h"

namespace aquifer::control {

struct NodeCaller {
  std::string node;
  friend auto operator<=>(const NodeCaller&, const NodeCaller&) = default;
};
struct WorkloadCaller {
  certs::Identity identity;
  friend auto operator<=>(const WorkloadCaller&, const WorkloadCaller&) = default;
};
using Caller = std::variant<NodeCaller, WorkloadCaller>;

// "node node1", "spiffe://...": for logs.
std::string ToString(const Caller& caller);

// Whom the objects call for: nodes, be they objects or only named by pods, the accounts that our
// Gateways run as, and those of pods that are labelled as a Gateway's before it is there.
std::set<Caller> CallersOf(const ObjectSet& objects, const MeshSettings& settings);

// What stands behind "Bearer" in the authorization field; "" if there is none.
std::string_view BearerToken(const http::RequestHead& head);

// Its phase says that none of its containers runs any more.
bool HasEnded(const Pod& pod);

class Tokens {
 public:
  // `directory` is made when it is needed.
  explicit Tokens(std::string directory) : directory_(std::move(directory)) {}

  // From now on `callers` have tokens and nobody else: reads those of files that are new or have
  // changed and makes what is missing. One that cannot be had does not keep the others waiting; the
  // refusal is the first, its field a path.
  Result<void, Refusal> Follow(const std::set<Caller>& callers);
  // By the authorization field of a call.
  std::optional<Caller> CallerOf(const http::RequestHead& head) const;
  bool Knows(const Caller& caller) const { return known_.contains(caller); }

 private:
  struct Known {
    FileStamp file;
    std::string hash;  // of the token
  };

  Result<void, Refusal> Ensure(const Caller& caller, const Known* before);
  static Decoded<Known> Read(const std::string& file);

  std::string directory_;
  // By a hash of the token, so that the time of a look-up says nothing about how much of one was
  // right.
  std::map<std::string, Caller> by_token_hash_;
  std::map<Caller, Known> known_;
};

class Callers;

// What the CA signs for whom, by the objects of the moment.
class TokenPolicy final : public certs::SigningPolicy {
 public:
  // All references outlive the policy.
  TokenPolicy(Callers& callers, const Tokens& tokens,
              const std::shared_ptr<const ObjectSet>& objects, std::string trust_domain,
              obs::Logger& log, ControlMetrics& metrics)
      : callers_(callers),
        tokens_(tokens),
        objects_(objects),
        trust_domain_(std::move(trust_domain)),
        log_(log),
        metrics_(metrics) {}

  Task<Result<certs::Identity, http::GrpcStatus>> Authorize(const http::RequestHead& caller,
                                                            const certs::SigningRequest& request,
                                                            StopToken stop) override;

  void OnMalformed(const http::RequestHead& caller, const http::GrpcStatus& status) override;

  // The identity that `caller` gets, or a sentence that says why it gets none.
  Decoded<certs::Identity> Decide(const Caller& caller,
                                  const std::optional<certs::Identity>& impersonated) const;

 private:
  http::GrpcStatus Refuse(std::string_view outcome, const std::string& caller,
                          const std::string& identity, http::GrpcStatus status);
  bool RunsOn(const std::string& node, const certs::Identity& identity) const;

  Callers& callers_;
  const Tokens& tokens_;
  const std::shared_ptr<const ObjectSet>& objects_;  // replaced by its owner
  std::string trust_domain_;
  obs::Logger& log_;
  ControlMetrics& metrics_;
  obs::RateLimiter refusals_{10};
};

}  // namespace aquifer::control
