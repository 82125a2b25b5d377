// A file of revocation lists: the operator's, but written by other programs. What is taken is
// bounded, and asking it costs nothing but time.
#include <cstddef>
#include <cstdint>

#include "certs/crl.h"
#include "core/base/bytes.h"
#include "core/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, size_t size) {
  using aquifer::certs::CrlSet;
  using aquifer::certs::Serial;
  const auto set = CrlSet::Parse(aquifer::AsText({data, size}));
  if (!set) return 0;
  AQ_CHECK(!(*set)->lists().empty() && (*set)->lists().size() <= CrlSet::kMaxLists);
  AQ_CHECK((*set)->entries() <= size);
  const bssl::UniquePtr<ASN1_INTEGER> one(ASN1_INTEGER_new());
  AQ_CHECK(ASN1_INTEGER_set_uint64(one.get(), 1));
  const auto serial = Serial::Of(one.get());
  AQ_CHECK(serial.has_value());
  for (const auto& list : (*set)->lists()) {
    AQ_CHECK(!list.Revokes(*serial) || list.entries() > 0);
  }
  return 0;
}
