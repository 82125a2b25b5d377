#include "certs/identity.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"

namespace aquifer::certs {
namespace {

constexpr std::string_view kScheme = "spiffe://";

// ASCII only: the locale must not widen what a name may hold.
bool IsLowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool IsMark(char c) { return c == '.' || c == '-' || c == '_'; }

bool IsPathSegment(std::string_view text) {
  if (text.empty() || text == "." || text == "..") return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return IsLowerOrDigit(c) || IsMark(c) || (c >= 'A' && c <= 'Z');
  });
}

// Takes what stands before the next '/', or the rest, and steps over the '/'.
std::string_view TakeSegment(std::string_view& path, bool& more) {
  const size_t slash = path.find('/');
  more = slash != std::string_view::npos;
  const std::string_view segment = path.substr(0, slash);
  path.remove_prefix(more ? slash + 1 : path.size());
  return segment;
}

}  // namespace

bool IsTrustDomain(std::string_view text) {
  if (text.empty() || text.size() > kMaxTrustDomainBytes) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return IsLowerOrDigit(c) || IsMark(c); });
}

Decoded<Identity> Identity::Make(std::string_view trust_domain, std::string_view ns,
                                 std::string_view service_account) {
  if (!IsTrustDomain(trust_domain)) return Refusal{"trust domain", "not a SPIFFE trust domain"};
  if (!IsPathSegment(ns)) return Refusal{"ns", "not a SPIFFE path segment"};
  if (!IsPathSegment(service_account)) return Refusal{"sa", "not a SPIFFE path segment"};
  Identity id{std::string(trust_domain), std::string(ns), std::string(service_account)};
  if (id.ToString().size() > kMaxSpiffeIdBytes) return Refusal{"", "longer than 2048 bytes"};
  return id;
}

Decoded<Identity> Identity::Parse(std::string_view uri) {
  if (uri.size() > kMaxSpiffeIdBytes) return Refusal{"", "longer than 2048 bytes"};
  if (!uri.starts_with(kScheme)) return Refusal{"scheme", "not spiffe://"};
  uri.remove_prefix(kScheme.size());
  std::array<std::string_view, 5> parts;  // trust domain, "ns", namespace, "sa", account
  bool more = true;
  for (std::string_view& part : parts) {
    if (!more) return Refusal{"path", "not /ns/<namespace>/sa/<service account>"};
    part = TakeSegment(uri, more);
  }
  if (more || parts[1] != "ns" || parts[3] != "sa") {
    return Refusal{"path", "not /ns/<namespace>/sa/<service account>"};
  }
  return Make(parts[0], parts[2], parts[4]);
}

std::string Identity::ToString() const {
  return absl::StrCat(kScheme, trust_domain, "/ns/", ns, "/sa/", service_account);
}

}  // namespace aquifer::certs
