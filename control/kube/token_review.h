// TokenReview (authentication.k8s.io/v1): what is asked about a token and what the answer says of
// the service account behind it. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

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

std::string TokenReviewBody(std::string_view token, std::string_view audience);

// Refused unless the API server vouches for the token, for that audience, and it is a service
// account's.
Decoded<ReviewedAccount> ReadTokenReview(std::string_view body, std::string_view audience);

}  // namespace aquifer::control
