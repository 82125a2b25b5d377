#include "certs/verify.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "certs/key.h"
#include "core/base/address.h"

namespace aquifer::certs {
namespace {

using Refused = VerifyRefusal;
using OwnedStack = bssl::UniquePtr<STACK_OF(X509)>;

struct ParsedChain {
  bssl::UniquePtr<X509> leaf;
  OwnedStack others;
};

Refused BadCertificate(std::string why) {
  return Refused{Reason::kTlsFailed, SSL_AD_BAD_CERTIFICATE, std::move(why)};
}

Result<ParsedChain, Refused> ParseChain(const STACK_OF(CRYPTO_BUFFER) * chain) {
  const size_t count = chain == nullptr ? 0 : sk_CRYPTO_BUFFER_num(chain);
  if (count == 0) {
    return Refused{Reason::kTlsFailed, SSL_AD_CERTIFICATE_REQUIRED, "the peer sent no certificate"};
  }
  if (count > kMaxPeerChain) return BadCertificate("the peer sent more than 10 certificates");
  ParsedChain parsed{nullptr, OwnedStack(sk_X509_new_null())};
  for (size_t i = 0; i < count; ++i) {
    auto certificate = ParseCertificate(sk_CRYPTO_BUFFER_value(chain, i));
    if (!certificate) {
      return BadCertificate(absl::StrCat("certificate ", i, " ", certificate.error().why));
    }
    if (i == 0) {
      parsed.leaf = *std::move(certificate);
    } else {
      AQ_CHECK(bssl::PushToStack(parsed.others.get(), *std::move(certificate)));
    }
  }
  return parsed;
}

void SetHost(X509_VERIFY_PARAM* param, const HostName& host) {
  // The common name was never a place for host names that one could rely on (RFC 6125 6.4.4).
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  const std::optional<Ip> ip = Ip::Parse(host.name);
  if (ip) {
    AQ_CHECK(X509_VERIFY_PARAM_set1_ip(param, ip->bytes().data(), ip->bytes().size()));
  } else if (!X509_VERIFY_PARAM_set1_host(param, host.name.data(), host.name.size())) {
    ERR_clear_error();  // a name with a NUL inside: the parameter is poisoned and nothing will
                        // match
  }
}

std::optional<Refused> VerifyChain(const ParsedChain& chain, const RootBundle& roots, PeerRole role,
                                   const PeerExpectation& expectation, WallTime now,
                                   PathJudge* judge) {
  bssl::UniquePtr<X509_STORE_CTX> context(X509_STORE_CTX_new());
  AQ_CHECK(context != nullptr);
  AQ_CHECK(X509_STORE_CTX_init(context.get(), roots.store(), chain.leaf.get(), chain.others.get()));
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(context.get());
  // Not X509_STORE_CTX_set_default: it would trust by purpose, and a root bundle is the whole
  // trust.
  const int purpose = role == PeerRole::kClient ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER;
  AQ_CHECK(X509_VERIFY_PARAM_set_purpose(param, purpose));
  // A CA may hand out an intermediate as its root; what is in the bundle is an anchor.
  AQ_CHECK(X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN));
  X509_VERIFY_PARAM_set_depth(param, kMaxPeerChain);
  X509_VERIFY_PARAM_set_time_posix(param, now.time_since_epoch().count());
  if (const auto* host = std::get_if<HostName>(&expectation)) SetHost(param, *host);
  const bool good = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  if (good && judge != nullptr) return judge->Judge(X509_STORE_CTX_get0_chain(context.get()), role);
  if (good) return std::nullopt;
  const int error = X509_STORE_CTX_get_error(context.get());
  const bool other_host =
      error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH;
  return Refused{other_host ? Reason::kIdentityMismatch : Reason::kTlsFailed,
                 static_cast<std::uint8_t>(SSL_alert_from_verify_result(error)),
                 X509_verify_cert_error_string(error)};
}

// X509-SVID section 5: whoever may sign certificates is not a workload.
bool MaySignCertificates(X509* leaf) {
  const bool key_usage_given = (X509_get_extension_flags(leaf) & EXFLAG_KUSAGE) != 0;
  return (X509_get_extension_flags(leaf) & EXFLAG_CA) != 0 ||
         (key_usage_given && (X509_get_key_usage(leaf) & X509v3_KU_KEY_CERT_SIGN) != 0);
}

bool Fits(const Identity& identity, const PeerExpectation& expectation) {
  if (const auto* list = std::get_if<OneOf>(&expectation)) {
    return std::find(list->identities.begin(), list->identities.end(), identity) !=
           list->identities.end();
  }
  const auto* domain = std::get_if<InTrustDomain>(&expectation);
  return domain != nullptr && identity.trust_domain == domain->trust_domain;
}

std::string Expected(const PeerExpectation& expectation) {
  if (const auto* domain = std::get_if<InTrustDomain>(&expectation)) {
    return "anyone of " + domain->trust_domain;
  }
  const auto* list = std::get_if<OneOf>(&expectation);
  if (list == nullptr || list->identities.empty()) return "nobody";
  const size_t others = list->identities.size() - 1;
  std::string first = list->identities.front().ToString();
  return others == 0 ? first : absl::StrCat(first, " or ", others, " more");
}

}  // namespace

Result<VerifiedIdentity, VerifyRefusal> VerifyPeer(const STACK_OF(CRYPTO_BUFFER) * chain,
                                                   const RootBundle& roots, PeerRole role,
                                                   const PeerExpectation& expectation, WallTime now,
                                                   PathJudge* judge) {
  AQ_TRY(const ParsedChain parsed, ParseChain(chain));
  if (auto refused = VerifyChain(parsed, roots, role, expectation, now, judge))
    return *std::move(refused);
  if (std::holds_alternative<HostName>(expectation)) return VerifiedIdentity();
  if (MaySignCertificates(parsed.leaf.get())) {
    return BadCertificate("the peer's certificate is that of a CA");
  }
  const bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(parsed.leaf.get()));
  ERR_clear_error();
  if (key == nullptr || !IsAcceptableKey(key.get())) {
    return BadCertificate("the peer's key is not P-256, P-384 or RSA of 2048 to 4096 bits");
  }
  auto identity = IdentityOf(parsed.leaf.get());
  if (!identity) return BadCertificate(identity.error().ToString());
  if (!Fits(*identity, expectation)) {
    return Refused{
        Reason::kIdentityMismatch, SSL_AD_ACCESS_DENIED,
        absl::StrCat("the peer is ", identity->ToString(), ", expected ", Expected(expectation))};
  }
  return VerifiedIdentity(*std::move(identity));
}

}  // namespace aquifer::certs
