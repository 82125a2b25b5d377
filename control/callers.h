// Finds out who is calling: by the tokens that we made (control/tokens.h), and on a cluster by
// those of service accounts, which the API server judges (TokenReview). What it said of a token
// counts for a moment without asking again, and for longer while it cannot be asked. One loop.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "control/kube/client.h"
#include "control/kube/token_review.h"
#include "control/tokens.h"

namespace aquifer::control {

struct CallerOptions {
  std::string audience = "istio-ca";
  std::string trust_domain = "cluster.local";
  // Whose pods are node proxies: namespace and account.
  std::set<std::pair<std::string, std::string>> node_accounts;
};

class Callers {
 public:
  // All references outlive the Callers.
  Callers(const Tokens& tokens, const std::shared_ptr<const ObjectSet>& objects,
          CallerOptions options, obs::Logger& log);

  // From now on that API server is asked. Once.
  void ReviewBy(const ClusterAccess& access);
  // Before destruction.
  Task<void> Shutdown();

  // By the authorization field of a call, which outlives this one; empty: nobody whom the mesh
  // knows.
  Task<std::optional<Caller>> Find(const http::RequestHead& head, StopToken stop);
  // The same without asking anybody.
  std::optional<Caller> FindKnown(const http::RequestHead& head) const;

 private:
  struct Reviewed {
    std::optional<ReviewedAccount> account;
    TimePoint at;
  };

  Task<std::optional<ReviewedAccount>> Review(std::string token, StopToken stop);
  Task<std::optional<ReviewedAccount>> Ask(const std::string& hash, std::string token,
                                           StopToken stop);
  void Remember(const std::string& hash, std::optional<ReviewedAccount> account);
  std::optional<Caller> CallerOf(const ReviewedAccount& account) const;

  const Tokens& tokens_;
  const std::shared_ptr<const ObjectSet>& objects_;  // replaced by its owner
  const CallerOptions options_;
  obs::Logger& log_;
  obs::RateLimiter limiter_{10};
  std::unique_ptr<ApiClient> client_;
  std::map<std::string, Reviewed> reviewed_;  // by a hash of the token
  int asking_ = 0;
};

}  // namespace aquifer::control
