#include "certs/crl.h"

#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/obj.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "certs/pem.h"

namespace aquifer::certs {
namespace {

constexpr std::uint8_t kNegative = 0x80;

std::optional<WallTime> TimeOf(const ASN1_TIME* time) {
  std::int64_t seconds = 0;
  if (time == nullptr || !ASN1_TIME_to_posix(time, &seconds)) return std::nullopt;
  return WallTime(std::chrono::seconds(seconds));
}

// A list of whose extensions we would miss the point is of no use (RFC 5280 section 5.2): a delta
// is only the difference to another list, an indirect one speaks of others' certificates.
Result<void, Refusal> CheckExtensions(X509_CRL* list) {
  if (X509_CRL_get_ext_by_NID(list, NID_delta_crl, -1) >= 0) {
    return Refusal{"", "is a delta, which is not supported"};
  }
  int found = -1;
  while ((found = X509_CRL_get_ext_by_critical(list, 1, found)) >= 0) {
    const int nid = OBJ_obj2nid(X509_EXTENSION_get_object(X509_CRL_get_ext(list, found)));
    if (nid != NID_issuing_distribution_point && nid != NID_authority_key_identifier) {
      return Refusal{"", "has a critical extension that is not known"};
    }
  }
  int critical = 0;
  const bssl::UniquePtr<ISSUING_DIST_POINT> point(static_cast<ISSUING_DIST_POINT*>(
      X509_CRL_get_ext_d2i(list, NID_issuing_distribution_point, &critical, nullptr)));
  ERR_clear_error();
  if (point == nullptr && critical != -1) return Refusal{"", "has a bad distribution point"};
  if (point != nullptr && point->indirectCRL > 0) {
    return Refusal{"", "is an indirect list, which is not supported"};
  }
  return {};
}

Decoded<std::vector<Serial>> EntriesOf(X509_CRL* list) {
  const STACK_OF(X509_REVOKED)* entries = X509_CRL_get_REVOKED(list);
  std::vector<Serial> revoked;
  const std::size_t count = entries == nullptr ? 0 : sk_X509_REVOKED_num(entries);
  revoked.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const X509_REVOKED* entry = sk_X509_REVOKED_value(entries, i);
    const std::string field = absl::StrCat("entry[", i, "]");
    if (X509_REVOKED_get_ext_by_critical(entry, 1, -1) >= 0) {
      return Refusal{field, "has a critical extension that is not known"};
    }
    const std::optional<Serial> serial = Serial::Of(X509_REVOKED_get0_serialNumber(entry));
    if (!serial) return Refusal{field, "has a serial number of more than 20 bytes"};
    revoked.push_back(*serial);
  }
  std::sort(revoked.begin(), revoked.end());
  return revoked;
}

Refusal Within(std::size_t list, const Refusal& refusal) {
  const std::string field = absl::StrCat("list[", list, "]");
  return {refusal.field.empty() ? field : absl::StrCat(field, ".", refusal.field), refusal.why};
}

}  // namespace

std::optional<Serial> Serial::Of(const ASN1_INTEGER* number) {
  const int length = number == nullptr ? -1 : ASN1_STRING_length(number);
  if (length < 0 || static_cast<std::size_t>(length) > kMaxBytes) return std::nullopt;
  Serial serial;
  serial.size_and_sign_ = static_cast<std::uint8_t>(length);
  if (ASN1_STRING_type(number) == V_ASN1_NEG_INTEGER) serial.size_and_sign_ |= kNegative;
  if (length > 0) std::memcpy(serial.bytes_.data(), ASN1_STRING_get0_data(number), length);
  return serial;
}

Decoded<Crl> Crl::FromDer(Bytes der) {
  Crl crl;
  const std::uint8_t* end = der.data();
  crl.list_.reset(d2i_X509_CRL(nullptr, &end, static_cast<long>(der.size())));
  ERR_clear_error();
  if (crl.list_ == nullptr) return Refusal{"", "is not a revocation list"};
  if (end != der.data() + der.size()) return Refusal{"", "has bytes behind its end"};
  AQ_TRY_STATUS(CheckExtensions(crl.list_.get()));
  AQ_TRY(crl.revoked_, EntriesOf(crl.list_.get()));
  crl.next_update_ = TimeOf(X509_CRL_get0_nextUpdate(crl.list_.get()));
  return crl;
}

bool Crl::IsSignedBy(X509* issuer) const {
  if (X509_NAME_cmp(X509_CRL_get_issuer(list_.get()), X509_get_subject_name(issuer)) != 0) {
    return false;
  }
  const bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(issuer));
  const bool good = key != nullptr && X509_CRL_verify(list_.get(), key.get()) == 1;
  ERR_clear_error();
  return good;
}

bool Crl::Revokes(const Serial& serial) const {
  return std::binary_search(revoked_.begin(), revoked_.end(), serial);
}

CrlSetRef CrlSet::None() {
  static const CrlSetRef none(new CrlSet);
  return none;
}

Decoded<CrlSetRef> CrlSet::Parse(std::string_view file) {
  if (file.size() > kMaxBytes) return Refusal{"", "is longer than 4 MiB"};
  std::shared_ptr<CrlSet> set(new CrlSet);
  if (file.find("-----BEGIN ") == std::string_view::npos) {
    AQ_TRY(Crl crl, Crl::FromDer(AsBytes(file)));
    set->lists_.push_back(std::move(crl));
    return CrlSetRef(std::move(set));
  }
  AQ_TRY(const std::vector<PemBlock> blocks,
         ParsePem(file, {.max_bytes = kMaxBytes, .max_blocks = kMaxLists}));
  for (const PemBlock& block : blocks) {
    const std::size_t index = set->lists_.size();
    if (block.label != "X509 CRL") return Within(index, {"", "is not an X509 CRL block"});
    Decoded<Crl> crl = Crl::FromDer(block.der);
    if (!crl) return Within(index, crl.error());
    set->lists_.push_back(*std::move(crl));
  }
  return CrlSetRef(std::move(set));
}

std::size_t CrlSet::entries() const {
  std::size_t sum = 0;
  for (const Crl& list : lists_) sum += list.entries();
  return sum;
}

}  // namespace aquifer::certs
