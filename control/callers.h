// Finds out who is calling: by the tokens that we made (control/tokens.h), and on a cluster by
// those of service accounts, which the API server judges (TokenReview). What it said of a token
// counts for a moment without asking again, and for longer while it cannot be asked. A token that
// does not even claim to be a caller's is not worth asking about (control/review_places.h says how
// many others are). One loop.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "certs/wall_clock.h"
#include "control/kube/client.h"
#include "control/kube/token_review.h"
#include "control/review_places.h"
#include "control/tokens.h"

namespace aquifer::control {

struct CallerOptions {
  std::string audience = "istio-ca";
  std::string trust_domain = "cluster.local";
  // Whose pods are node proxies: namespace and account.
  std::set<std::pair<std::string, std::string>> node_accounts;
  certs::WallClock clock = &certs::SystemWallTime;
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

  // By the authorization field of a call, which outlives this one, and the address it comes from;
  // empty: nobody whom the mesh knows.
  Task<std::optional<Caller>> Find(const http::RequestHead& head, Ip peer, StopToken stop);
  // The same without asking anybody.
  std::optional<Caller> FindKnown(const http::RequestHead& head) const;

 private:
  struct Reviewed {
    ReviewedAccount account;
    TimePoint at;
  };

  Result<void, Refusal> CheckClaims(std::string_view token) const;
  ReviewPlaces::Seeker SeekerOf(const std::string& hash, std::string_view token,
                                const Ip& peer) const;
  bool IsPodOf(const ReviewedAccount& account, const Ip& peer) const;
  Task<std::optional<ReviewedAccount>> Review(std::string token, Ip peer, StopToken stop);
  Task<std::optional<ReviewedAccount>> Ask(const std::string& hash, std::string token,
                                           StopToken stop);
  // What was said of it, if that is not older.
  std::optional<ReviewedAccount> Vouched(const std::string& hash, Clock::duration age) const;
  void Remember(const std::string& hash, const std::optional<ReviewedAccount>& account);
  std::optional<Caller> CallerOf(const ReviewedAccount& account) const;

  const Tokens& tokens_;
  const std::shared_ptr<const ObjectSet>& objects_;  // replaced by its owner
  const CallerOptions options_;
  obs::Logger& log_;
  obs::RateLimiter limiter_{10};
  std::unique_ptr<ApiClient> client_;
  // By a hash of the token.
  std::map<std::string, Reviewed> vouched_;
  std::map<std::string, TimePoint> refused_;
  ReviewPlaces places_;
};

}  // namespace aquifer::control
