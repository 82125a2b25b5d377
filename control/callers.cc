#include "control/callers.h"

#include <algorithm>

#include "control/resources.h"
#include "core/rt/timer.h"

namespace aquifer::control {
namespace {

constexpr auto kTimeout = std::chrono::seconds(5);
// A token that is revoked counts on for so long.
constexpr Clock::duration kFresh = std::chrono::seconds(30);
// And for so long while the API server is away: a mesh whose proxies cannot come back would be
// worse.
constexpr Clock::duration kUsable = std::chrono::minutes(10);
constexpr Clock::duration kRefused = std::chrono::seconds(5);
// As many as there can be connections (control/control_plane.cc).
constexpr size_t kMaxVouched = 8192;
constexpr size_t kMaxRefused = 4096;
// Our clock may be ahead of the one by which a token ends.
constexpr auto kClockSkew = std::chrono::minutes(5);
constexpr size_t kMaxTokenBytes = 16 << 10;
constexpr size_t kMaxAnswerBytes = 64 << 10;

}  // namespace

Callers::Callers(const Tokens& tokens, const std::shared_ptr<const ObjectSet>& objects,
                 CallerOptions options, obs::Logger& log)
    : tokens_(tokens), objects_(objects), options_(std::move(options)), log_(log) {}

void Callers::ReviewBy(const ClusterAccess& access) {
  client_ = std::make_unique<ApiClient>(access, &certs::SystemWallTime);
}

Task<void> Callers::Shutdown() {
  if (client_ != nullptr) co_await client_->Shutdown();
}

std::optional<Caller> Callers::FindKnown(const http::RequestHead& head) const {
  return tokens_.CallerOf(head);
}

Task<std::optional<Caller>> Callers::Find(const http::RequestHead& head, Ip peer, StopToken stop) {
  std::optional<Caller> known = FindKnown(head);
  if (known || client_ == nullptr) co_return known;
  std::string token(BearerToken(head));
  if (token.empty() || token.size() > kMaxTokenBytes) co_return std::nullopt;
  const Result<void, Refusal> claims = CheckClaims(token);
  if (!claims.ok()) {
    log_.Limited(limiter_, obs::Level::kWarn, "ca", "token refused",
                 {{"peer", peer.ToString()}, {"why", claims.error().ToString()}});
    co_return std::nullopt;
  }
  const std::optional<ReviewedAccount> account = co_await Review(std::move(token), peer, stop);
  if (!account) co_return std::nullopt;
  co_return CallerOf(*account);
}

// What a token says of itself proves nothing, but one that says it is of nobody whom the mesh knows
// would find nobody if it were true.
Result<void, Refusal> Callers::CheckClaims(std::string_view token) const {
  AQ_TRY(const TokenClaims claims, ReadTokenClaims(token));
  const std::vector<std::string>& audiences = claims.audiences;
  if (std::find(audiences.begin(), audiences.end(), options_.audience) == audiences.end())
    return Refusal{"", "it is not for the audience " + options_.audience};
  if (claims.expires + kClockSkew <= options_.clock().time_since_epoch())
    return Refusal{"", "it has expired"};
  const ReviewedAccount& account = claims.account;
  if (!CallerOf(account)) {
    return Refusal{"", "no pod of that name runs as a proxy's account " + account.namespace_name +
                           "/" + account.name};
  }
  return {};
}

ReviewPlaces::Seeker Callers::SeekerOf(const std::string& hash, std::string_view token,
                                       const Ip& peer) const {
  ReviewPlaces::Seeker seeker{.token = hash, .peer = peer};
  const Decoded<TokenClaims> claims = ReadTokenClaims(token);
  if (vouched_.contains(hash)) {
    seeker.standing = ReviewPlaces::Standing::kKnown;
  } else if (claims.ok() && IsPodOf(claims->account, peer)) {
    seeker.standing = ReviewPlaces::Standing::kAtHome;
  }
  return seeker;
}

// Whether the pod that the account is bound to runs at that address.
bool Callers::IsPodOf(const ReviewedAccount& account, const Ip& peer) const {
  const Pod* pod = FindObject(objects_->pods, account.namespace_name, account.pod);
  return pod != nullptr && !HasEnded(*pod) && pod->service_account == account.name &&
         std::find(pod->ips.begin(), pod->ips.end(), peer) != pod->ips.end();
}

std::optional<ReviewedAccount> Callers::Vouched(const std::string& hash,
                                                Clock::duration age) const {
  const auto found = vouched_.find(hash);
  if (found == vouched_.end()) return std::nullopt;
  if (Loop::Current().now() - found->second.at >= age) return std::nullopt;
  return found->second.account;
}

Task<std::optional<ReviewedAccount>> Callers::Review(std::string token, Ip peer, StopToken stop) {
  const std::string hash = ContentVersion(token);
  const auto refused = refused_.find(hash);
  if (refused != refused_.end() && Loop::Current().now() - refused->second < kRefused)
    co_return std::nullopt;
  std::optional<ReviewedAccount> account = Vouched(hash, kFresh);
  if (account) co_return account;
  TimedStop timed(stop, 2 * kTimeout, Reason::kTimeout);
  const ReviewPlaces::Seeker seeker = SeekerOf(hash, token, peer);
  const ReviewPlaces::Outcome outcome = co_await places_.Take(seeker, timed.token());
  if (outcome == ReviewPlaces::Outcome::kTaken) {
    account = co_await Ask(hash, std::move(token), timed.token());
    places_.Leave(seeker);
    co_return account;
  }
  if (outcome == ReviewPlaces::Outcome::kNone) {
    log_.Limited(limiter_, obs::Level::kWarn, "ca", "too many tokens are under review",
                 {{"peer", peer.ToString()}});
  }
  co_return Vouched(hash, kUsable);
}

Task<std::optional<ReviewedAccount>> Callers::Ask(const std::string& hash, std::string token,
                                                  StopToken stop) {
  ApiRequest request;
  request.method = "POST";
  request.path = "/apis/authentication.k8s.io/v1/tokenreviews";
  request.content_type = "application/json";
  request.body = TokenReviewBody(token, options_.audience);
  const Result<std::string, ApiFailure> answer =
      co_await client_->Call(std::move(request), kMaxAnswerBytes, kTimeout, stop);
  if (!answer.ok()) {
    log_.Limited(limiter_, obs::Level::kError, "ca", "tokens cannot be reviewed",
                 {{"server", client_->address()}, {"error", answer.error().ToString()}});
    co_return Vouched(hash, kUsable);
  }
  const Decoded<ReviewedAccount> account = ReadTokenReview(*answer, options_.audience);
  if (!account.ok()) {
    log_.Limited(limiter_, obs::Level::kWarn, "ca", "token refused",
                 {{"why", account.error().ToString()}});
  }
  std::optional<ReviewedAccount> said;
  if (account.ok()) said = *account;
  Remember(hash, said);
  co_return said;
}

void Callers::Remember(const std::string& hash, const std::optional<ReviewedAccount>& account) {
  const TimePoint now = Loop::Current().now();
  if (!account) {
    vouched_.erase(hash);
    if (refused_.size() >= kMaxRefused) {
      std::erase_if(refused_, [&](const auto& entry) { return now - entry.second >= kRefused; });
    }
    if (refused_.size() >= kMaxRefused) refused_.clear();
    refused_[hash] = now;
    return;
  }
  if (vouched_.size() >= kMaxVouched)
    std::erase_if(vouched_, [&](const auto& entry) { return now - entry.second.at >= kUsable; });
  // Who is not remembered is asked about each time.
  if (vouched_.size() < kMaxVouched || vouched_.contains(hash)) vouched_[hash] = {*account, now};
}

// A node proxy is the pod that its token is bound to, and that pod's node is its own: the objects
// say so, never the caller.
std::optional<Caller> Callers::CallerOf(const ReviewedAccount& account) const {
  if (options_.node_accounts.contains({account.namespace_name, account.name})) {
    const Pod* pod = FindObject(objects_->pods, account.namespace_name, account.pod);
    const bool runs = pod != nullptr && pod->service_account == account.name && !HasEnded(*pod);
    if (!runs || pod->node_name.empty()) return std::nullopt;
    return NodeCaller{pod->node_name};
  }
  const Caller caller =
      WorkloadCaller{{options_.trust_domain, account.namespace_name, account.name}};
  return tokens_.Knows(caller) ? std::optional(caller) : std::nullopt;
}

}  // namespace aquifer::control
