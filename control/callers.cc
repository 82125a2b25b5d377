#include "control/callers.h"

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
constexpr size_t kMaxReviewed = 4096;
constexpr int kMaxAsking = 64;
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

Task<std::optional<Caller>> Callers::Find(const http::RequestHead& head, StopToken stop) {
  std::optional<Caller> known = FindKnown(head);
  if (known || client_ == nullptr) co_return known;
  std::string token(BearerToken(head));
  if (token.size() > kMaxTokenBytes || !LooksLikeJwt(token)) co_return std::nullopt;
  const std::optional<ReviewedAccount> account = co_await Review(std::move(token), stop);
  if (!account) co_return std::nullopt;
  co_return CallerOf(*account);
}

Task<std::optional<ReviewedAccount>> Callers::Review(std::string token, StopToken stop) {
  const std::string hash = ContentVersion(token);
  const auto found = reviewed_.find(hash);
  if (found != reviewed_.end()) {
    const Clock::duration age = Loop::Current().now() - found->second.at;
    if (age < (found->second.account ? kFresh : kRefused)) co_return found->second.account;
  }
  co_return co_await Ask(hash, std::move(token), stop);
}

Task<std::optional<ReviewedAccount>> Callers::Ask(const std::string& hash, std::string token,
                                                  StopToken stop) {
  // Whoever can reach us can show a token; the API server's time is not theirs to spend.
  if (asking_ >= kMaxAsking) co_return std::nullopt;
  ApiRequest request;
  request.method = "POST";
  request.path = "/apis/authentication.k8s.io/v1/tokenreviews";
  request.content_type = "application/json";
  request.body = TokenReviewBody(token, options_.audience);
  ++asking_;
  const Result<std::string, ApiFailure> answer =
      co_await client_->Call(std::move(request), kMaxAnswerBytes, kTimeout, stop);
  --asking_;
  if (!answer.ok()) {
    log_.Limited(limiter_, obs::Level::kError, "ca", "tokens cannot be reviewed",
                 {{"server", client_->address()}, {"error", answer.error().ToString()}});
    const auto found = reviewed_.find(hash);
    const bool usable = found != reviewed_.end() && found->second.account &&
                        Loop::Current().now() - found->second.at < kUsable;
    co_return usable ? found->second.account : std::optional<ReviewedAccount>();
  }
  const Decoded<ReviewedAccount> account = ReadTokenReview(*answer, options_.audience);
  if (!account.ok()) {
    log_.Limited(limiter_, obs::Level::kWarn, "ca", "token refused",
                 {{"why", account.error().ToString()}});
  }
  Remember(hash, account.ok() ? std::optional(*account) : std::nullopt);
  co_return account.ok() ? std::optional(*account) : std::optional<ReviewedAccount>();
}

void Callers::Remember(const std::string& hash, std::optional<ReviewedAccount> account) {
  const TimePoint now = Loop::Current().now();
  if (reviewed_.size() >= kMaxReviewed) {
    std::erase_if(reviewed_, [&](const auto& entry) {
      return !entry.second.account || now - entry.second.at >= kUsable;
    });
  }
  if (reviewed_.size() >= kMaxReviewed) reviewed_.clear();
  reviewed_[hash] = {std::move(account), now};
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
