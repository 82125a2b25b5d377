// What a token says of itself, which anybody can have written, and what the API server says of one:
// the first byte tells which. An account that comes out has names that an object can have.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "control/kube/token_review.h"
#include "control/names.h"
#include "core/base/bytes.h"
#include "core/base/check.h"

namespace {

void Check(const aquifer::control::ReviewedAccount& account) {
  AQ_CHECK(aquifer::control::IsDnsLabel(account.namespace_name));
  AQ_CHECK(aquifer::control::IsDnsSubdomain(account.name));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text = aquifer::AsText({data + 1, size - 1});
  if (data[0] % 2 == 0) {
    const auto claims = aquifer::control::ReadTokenClaims(text);
    if (claims.ok()) Check(claims->account);
  } else {
    const auto account = aquifer::control::ReadTokenReview(text, "istio-ca");
    if (account.ok()) Check(*account);
  }
  return 0;
}
