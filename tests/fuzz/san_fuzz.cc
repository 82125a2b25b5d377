// A SPIFFE URI as it stands in a certificate of a stranger. What is accepted must print as it came,
// byte for byte, or two names would mean one identity.
#include <cstddef>
#include <cstdint>

#include "certs/identity.h"
#include "core/base/bytes.h"
#include "core/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, size_t size) {
  const std::string_view uri = aquifer::AsText({data, size});
  const auto identity = aquifer::certs::Identity::Parse(uri);
  if (!identity) return 0;
  AQ_CHECK(identity->ToString() == uri);
  AQ_CHECK(identity->ns.find('/') == std::string::npos);
  AQ_CHECK(identity->service_account.find('/') == std::string::npos);
  return 0;
}
