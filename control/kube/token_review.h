// TokenReview (authentication.k8s.io/v1): what is asked about a token, what the answer says of the
// service account behind it, and what the token says of itself before anybody has vouched for it.
// Pure; any thread.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace aquifer::control {

struct ReviewedAccount {
  std::string namespace_name;
  std::string name;
  std::string pod;  // that the token is bound to; empty: to none

  friend bool operator==(const ReviewedAccount&, const ReviewedAccount&) = default;
};

// Of the form of a service account's token (RFC 7515, section 7.1), so that it is worth asking.
bool LooksLikeJwt(std::string_view token);

// The payload of a token of the TokenRequest API, its signature unread: a claim, not the truth.
struct TokenClaims {
  ReviewedAccount account;
  std::vector<std::string> audiences;
  std::chrono::seconds expires{};  // since 1970
};
Decoded<TokenClaims> ReadTokenClaims(std::string_view token);

std::string TokenReviewBody(std::string_view token, std::string_view audience);

// Refused unless the API server vouches for the token, for that audience, and it is a service
// account's.
Decoded<ReviewedAccount> ReadTokenReview(std::string_view body, std::string_view audience);

}  // namespace aquifer::control
