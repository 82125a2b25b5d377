// Revocation lists (RFC 5280 section 5) as a file holds them: one in DER, or several in PEM. Read
// whole and checked before they count: a file of which a part cannot be understood is refused,
// since what is left out would be trusted. A list speaks for whoever signed it: names of CAs
// collide when roots are rotated, signatures do not. What is past its nextUpdate still counts, as
// nobody is given back a certificate by a CA that is away. Immutable once made; any thread.
#pragma once

#include <openssl/x509.h>

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "certs/wall_clock.h"
#include "core/base/bytes.h"
#include "core/base/result.h"

namespace aquifer::certs {

// A certificate's number within its issuer, at most 20 bytes long (RFC 5280 section 4.1.2.2).
class Serial {
 public:
  static constexpr std::size_t kMaxBytes = 20;

  // Nothing for a number that is longer.
  static std::optional<Serial> Of(const ASN1_INTEGER* number);

  friend auto operator<=>(const Serial&, const Serial&) = default;

 private:
  Serial() = default;

  std::uint8_t size_and_sign_ = 0;
  std::array<std::uint8_t, kMaxBytes> bytes_{};
};

class Crl {
 public:
  static Decoded<Crl> FromDer(Bytes der);

  // Whether `issuer` has this name and this is its signature. What its key usage says of lists is
  // not asked: the mesh's CAs have none for them, and a list only ever takes trust away.
  bool IsSignedBy(X509* issuer) const;
  bool Revokes(const Serial& serial) const;
  std::size_t entries() const { return revoked_.size(); }
  const std::optional<WallTime>& next_update() const { return next_update_; }

 private:
  Crl() = default;

  bssl::UniquePtr<X509_CRL> list_;
  std::vector<Serial> revoked_;  // in order
  std::optional<WallTime> next_update_;
};

class CrlSet;
using CrlSetRef = std::shared_ptr<const CrlSet>;

class CrlSet {
 public:
  static constexpr std::size_t kMaxBytes = 4 * 1024 * 1024;
  static constexpr std::size_t kMaxLists = 256;

  // No list: nothing is revoked.
  static CrlSetRef None();
  // The refusal's field is the list within the file and the entry within the list.
  static Decoded<CrlSetRef> Parse(std::string_view file);

  const std::vector<Crl>& lists() const { return lists_; }
  std::size_t entries() const;

 private:
  CrlSet() = default;

  std::vector<Crl> lists_;
};

}  // namespace aquifer::certs
