#include "certs/subject_names.h"

#include <openssl/err.h>
#include <openssl/nid.h>

#include "core/base/bytes.h"

namespace aquifer::certs {
namespace {

std::string_view TextOf(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<size_t>(ASN1_STRING_length(string))};
}

Decoded<SubjectNames> Sort(const GENERAL_NAMES* names) {
  SubjectNames sorted;
  if (sk_GENERAL_NAME_num(names) > kMaxSubjectNames) {
    return Refusal{"subjectAltName", "has more than 128 names"};
  }
  for (const GENERAL_NAME* name : names) {
    if (name->type == GEN_URI) {
      sorted.uris.emplace_back(TextOf(name->d.uniformResourceIdentifier));
    } else if (name->type == GEN_DNS) {
      sorted.dns.emplace_back(TextOf(name->d.dNSName));
    } else if (name->type == GEN_IPADD) {
      const std::optional<Ip> ip = Ip::FromBytes(TextOf(name->d.iPAddress));
      if (!ip) return Refusal{"subjectAltName", "has an address that is not IPv4 or IPv6"};
      sorted.ips.push_back(*ip);
    }
  }
  return sorted;
}

// What X509_get_ext_d2i and its kin answer: names, or why there are none (-1: no such extension).
Decoded<SubjectNames> FromDecoded(GENERAL_NAMES* decoded, int critical) {
  const GeneralNames names(decoded);
  ERR_clear_error();
  if (names != nullptr) return Sort(names.get());
  if (critical == -1) return SubjectNames{};
  return Refusal{"subjectAltName", "cannot be decoded or is there twice"};
}

GENERAL_NAME* NewText(int type, std::string_view text) {
  bssl::UniquePtr<ASN1_IA5STRING> value(ASN1_IA5STRING_new());
  bssl::UniquePtr<GENERAL_NAME> name(GENERAL_NAME_new());
  AQ_CHECK(ASN1_STRING_set(value.get(), text.data(), static_cast<ossl_ssize_t>(text.size())));
  GENERAL_NAME_set0_value(name.get(), type, value.release());
  return name.release();
}

GENERAL_NAME* NewAddress(const Ip& ip) {
  bssl::UniquePtr<ASN1_OCTET_STRING> value(ASN1_OCTET_STRING_new());
  bssl::UniquePtr<GENERAL_NAME> name(GENERAL_NAME_new());
  const auto bytes = ip.bytes();
  AQ_CHECK(ASN1_STRING_set(value.get(), bytes.data(), static_cast<ossl_ssize_t>(bytes.size())));
  GENERAL_NAME_set0_value(name.get(), GEN_IPADD, value.release());
  return name.release();
}

void Push(GENERAL_NAMES* names, GENERAL_NAME* name) {
  bssl::UniquePtr<GENERAL_NAME> owned(name);
  AQ_CHECK(bssl::PushToStack(names, std::move(owned)));
}

}  // namespace

Decoded<SubjectNames> SubjectNamesOf(const X509* certificate) {
  int critical = 0;
  auto* decoded = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, nullptr));
  return FromDecoded(decoded, critical);
}

Decoded<SubjectNames> SubjectNamesOf(const X509_REQ* request) {
  bssl::UniquePtr<STACK_OF(X509_EXTENSION)> extensions(X509_REQ_get_extensions(request));
  ERR_clear_error();
  if (extensions == nullptr) return SubjectNames{};
  int critical = 0;
  auto* decoded = static_cast<GENERAL_NAMES*>(
      X509V3_get_d2i(extensions.get(), NID_subject_alt_name, &critical, nullptr));
  return FromDecoded(decoded, critical);
}

GeneralNames ToGeneralNames(const SubjectNames& names) {
  GeneralNames out(GENERAL_NAMES_new());
  for (const std::string& uri : names.uris) Push(out.get(), NewText(GEN_URI, uri));
  for (const std::string& dns : names.dns) Push(out.get(), NewText(GEN_DNS, dns));
  for (const Ip& ip : names.ips) Push(out.get(), NewAddress(ip));
  return out;
}

}  // namespace aquifer::certs
