// The subject alternative names (RFC 5280 section 4.2.1.6) of a certificate or a request as byte
// strings, and back: one place where GENERAL_NAME is taken apart, with lengths and never as
// C strings. Any thread.
#pragma once

#include <openssl/x509.h>

#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/result.h"

namespace aquifer::certs {

// A stranger's certificate lists at most this many names before it is refused.
inline constexpr size_t kMaxSubjectNames = 128;

struct SubjectNames {
  std::vector<std::string> uris = {};
  std::vector<std::string> dns = {};
  std::vector<Ip> ips = {};
};

using GeneralNames = bssl::UniquePtr<GENERAL_NAMES>;

// Names of other kinds are left out. No extension is no names; two of them, or one that cannot be
// decoded, is a refusal.
Decoded<SubjectNames> SubjectNamesOf(const X509* certificate);
Decoded<SubjectNames> SubjectNamesOf(const X509_REQ* request);

GeneralNames ToGeneralNames(const SubjectNames& names);

}  // namespace aquifer::certs
