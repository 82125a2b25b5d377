#include "control/ca_secret.h"

#include <array>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "control/kube/values.h"
#include "control/resources.h"

namespace aquifer::control {
namespace {

constexpr JsonLimits kLimits{.bytes = 2 << 20, .values = 2000, .depth = 16};
constexpr size_t kMaxData = 1 << 20;  // of one file, in base64: a Secret has no more
constexpr std::string_view kManagedBy = "app.kubernetes.io/managed-by";
constexpr std::string_view kUs = "aquifer-control";
// Which certificate we made: labels stay when somebody puts another CA into the Secret.
constexpr std::string_view kMadeRoot = "aquifer.io/made-root";

using namespace ca_file;

Result<void, Refusal> CheckCa(const CaFiles& files) {
  for (const char* name : {kKey, kCertificate, kRoots}) {
    if (!files.contains(name)) return Refusal{std::string("data.") + name, "is missing"};
  }
  const Decoded<certs::LocalCa> ca = CaOf(files);
  if (!ca) return Refusal{"data", ca.error().ToString()};
  if (!files.contains(kNextKey) && !files.contains(kNextCertificate)) return {};
  for (const char* name : {kNextKey, kNextCertificate}) {
    if (!files.contains(name)) return Refusal{std::string("data.") + name, "is missing"};
  }
  const Decoded<certs::LocalCa> next =
      certs::LocalCa::FromPem(files.at(kNextKey), files.at(kNextCertificate), files.at(kRoots));
  if (!next) return Refusal{std::string("data.") + kNextCertificate, next.error().ToString()};
  return {};
}

// tls.crt is the certificate that signs and what is above it, without the root.
void TakeCertManagers(Fields& data, CaFiles& files) {
  const std::array<std::pair<const char*, const char*>, 4> names = {
      {{"tls.key", kKey}, {"tls.crt", kCertificate}, {"tls.crt", kChain}, {"ca.crt", kRoots}}};
  for (const auto& [theirs, ours] : names) {
    const std::string text = data.Text(theirs, "", kMaxData);
    if (text.empty()) data.Refuse(theirs, "is missing");
    if (!absl::Base64Unescape(text, &files[ours])) data.Refuse(theirs, "is not base64");
  }
}

}  // namespace

// As control/ca_state.cc reads them from their folder.
Decoded<certs::LocalCa> CaOf(const CaFiles& files) {
  const auto text = [&](const char* name) {
    const auto found = files.find(name);
    return found == files.end() ? std::string() : found->second;
  };
  return certs::LocalCa::FromPem(text(kKey), text(files.contains(kChain) ? kChain : kCertificate),
                                 text(kRoots));
}

Decoded<CaFiles> ReadCaSecret(std::string_view object) {
  AQ_TRY(const Json secret, ReadJson(object, kLimits));
  std::optional<Refusal> refusal;
  Fields root(&secret, "", refusal);
  Fields data = root.Object("data");
  CaFiles files;
  for (const char* name : kAll) {
    const std::string text = data.Text(name, "", kMaxData);
    if (text.empty()) continue;
    if (!absl::Base64Unescape(text, &files[name])) data.Refuse(name, "is not base64");
  }
  if (!files.contains(kKey) && data.Has("tls.key")) {
    files.clear();
    TakeCertManagers(data, files);
  }
  if (refusal) return *std::move(refusal);
  AQ_TRY_STATUS(CheckCa(files));
  return files;
}

Decoded<CaSecretMeta> ReadCaSecretMeta(std::string_view object) {
  AQ_TRY(const Json secret, ReadJson(object, kLimits));
  std::optional<Refusal> refusal;
  Fields root(&secret, "", refusal);
  Fields metadata = root.Object("metadata");
  Fields labels = metadata.Object("labels");
  Fields annotations = metadata.Object("annotations");
  Fields data = root.Object("data");
  std::string certificate;
  const std::string text = data.Text(kCertificate, "", kMaxData);
  if (!absl::Base64Unescape(text, &certificate)) data.Refuse(kCertificate, "is not base64");
  const bool made = annotations.Text(kMadeRoot) == ContentVersion(certificate);
  CaSecretMeta meta{made && labels.Text(kManagedBy) == kUs, metadata.Text("resourceVersion")};
  if (refusal) return *std::move(refusal);
  return meta;
}

std::string CaSecretPatch(std::string_view version, const CaFiles& before, const CaFiles& after) {
  Json data = Json::object();
  for (const auto& [file, content] : before) data[file] = nullptr;
  for (const auto& [file, content] : after) data[file] = absl::Base64Escape(content);
  Json metadata = {{"resourceVersion", version}};
  const auto certificate = after.find(kCertificate);
  if (certificate != after.end())
    metadata["annotations"][std::string(kMadeRoot)] = ContentVersion(certificate->second);
  return Json{{"metadata", std::move(metadata)}, {"data", std::move(data)}}.dump();
}

std::string CaSecretBody(std::string_view namespace_name, std::string_view name,
                         const CaFiles& files, bool made_here) {
  Json data = Json::object();
  for (const auto& [file, content] : files) data[file] = absl::Base64Escape(content);
  Json secret = {{"apiVersion", "v1"},
                 {"kind", "Secret"},
                 {"type", "Opaque"},
                 {"metadata",
                  {{"name", name}, {"namespace", namespace_name}, {"labels", {{kManagedBy, kUs}}}}},
                 {"data", std::move(data)}};
  const auto certificate = files.find(kCertificate);
  if (made_here && certificate != files.end()) {
    secret["metadata"]["annotations"][std::string(kMadeRoot)] = ContentVersion(certificate->second);
  }
  return secret.dump();
}

}  // namespace aquifer::control
