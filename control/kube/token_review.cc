#include "control/kube/token_review.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "control/kube/values.h"
#include "control/names.h"

namespace aquifer::control {
namespace {

constexpr JsonLimits kLimits{.bytes = 64 << 10, .values = 2000, .depth = 16};
constexpr JsonLimits kClaimLimits{.bytes = 16 << 10, .values = 500, .depth = 8};
constexpr std::int64_t kMaxSeconds = 253'402'300'799;  // the year 9999
constexpr std::string_view kAccountPrefix = "system:serviceaccount:";
constexpr std::string_view kPodName = "authentication.kubernetes.io/pod-name";

bool IsBase64Url(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
         c == '_';
}

// system:serviceaccount:<namespace>:<name>
Decoded<ReviewedAccount> AccountOf(std::string_view user) {
  if (!user.starts_with(kAccountPrefix)) return Refusal{"", "it is no service account's"};
  user.remove_prefix(kAccountPrefix.size());
  const size_t colon = std::min(user.find(':'), user.size());
  ReviewedAccount account;
  account.namespace_name = std::string(user.substr(0, colon));
  account.name = std::string(user.substr(std::min(colon + 1, user.size())));
  if (!IsDnsLabel(account.namespace_name) || !IsDnsSubdomain(account.name))
    return Refusal{"status.user.username", "is not a service account's"};
  return account;
}

}  // namespace

bool LooksLikeJwt(std::string_view token) {
  int parts = 0;
  while (true) {
    const size_t dot = std::min(token.find('.'), token.size());
    const std::string_view part = token.substr(0, dot);
    if (part.empty() || !std::all_of(part.begin(), part.end(), IsBase64Url)) return false;
    ++parts;
    if (dot == token.size()) return parts == 3;
    token.remove_prefix(dot + 1);
  }
}

Decoded<TokenClaims> ReadTokenClaims(std::string_view token) {
  if (!LooksLikeJwt(token)) return Refusal{"", "not a JWT"};
  const size_t first = token.find('.') + 1;
  std::string payload;
  if (!absl::WebSafeBase64Unescape(token.substr(first, token.find('.', first) - first), &payload))
    return Refusal{"payload", "is not base64url"};
  AQ_TRY(const Json claims, ReadJson(payload, kClaimLimits));
  std::optional<Refusal> refusal;
  Fields root(&claims, "", refusal);
  TokenClaims read;
  const std::string subject = root.RequiredText("sub");
  read.expires = std::chrono::seconds(root.RequiredNumber("exp", 0, kMaxSeconds));
  // RFC 7519, section 4.1.3: a list, or one text.
  const Json* audience = root.Find("aud");
  if (audience != nullptr && audience->is_string()) {
    read.audiences = {root.Text("aud")};
  } else {
    read.audiences = root.Texts("aud", 16);
  }
  Fields cluster = root.Object("kubernetes.io");
  Fields pod = cluster.Object("pod");
  const std::string name = pod.Text("name", "", kMaxNameText);
  if (refusal) return *std::move(refusal);
  AQ_TRY(read.account, AccountOf(subject));
  read.account.pod = name;
  return read;
}

std::string TokenReviewBody(std::string_view token, std::string_view audience) {
  return Json{{"apiVersion", "authentication.k8s.io/v1"},
              {"kind", "TokenReview"},
              {"spec", {{"token", token}, {"audiences", Json::array({audience})}}}}
      .dump();
}

Decoded<ReviewedAccount> ReadTokenReview(std::string_view body, std::string_view audience) {
  AQ_TRY(const Json review, ReadJson(body, kLimits));
  std::optional<Refusal> refusal;
  Fields root(&review, "", refusal);
  Fields status = root.Object("status");
  const bool authenticated = status.Flag("authenticated", false);
  const std::string error = status.Text("error");
  const std::vector<std::string> audiences = status.Texts("audiences", 16);
  Fields user = status.Object("user");
  const std::string name = user.Text("username");
  Fields extra = user.Object("extra");
  const std::vector<std::string> pods = extra.Texts(kPodName, 4, kMaxNameText);
  if (refusal) return *std::move(refusal);
  if (!authenticated)
    return Refusal{"", error.empty() ? "the API server does not know it" : error.substr(0, 200)};
  // An API server that does not know of audiences vouches for its own only.
  if (std::find(audiences.begin(), audiences.end(), audience) == audiences.end())
    return Refusal{"", "it is not for the audience " + std::string(audience)};
  AQ_TRY(ReviewedAccount account, AccountOf(name));
  if (pods.size() == 1) account.pod = pods.front();
  return account;
}

}  // namespace aquifer::control
