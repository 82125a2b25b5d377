#include "control/ca_secret.h"

#include <array>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "certs/local_ca.h"
#include "control/kube/values.h"

namespace aquifer::control {
namespace {

constexpr JsonLimits kLimits{.bytes = 2 << 20, .values = 2000, .depth = 16};
constexpr size_t kMaxData = 1 << 20;  // of one file, in base64: a Secret has no more
constexpr const char* kKey = "ca-key.pem";
constexpr const char* kCertificate = "ca-cert.pem";
constexpr const char* kChain = "cert-chain.pem";
constexpr const char* kRoots = "root-cert.pem";

// As control/ca_state.cc reads them from their folder.
Result<void, Refusal> CheckCa(const CaFiles& files) {
  for (const char* name : {kKey, kCertificate, kRoots}) {
    if (!files.contains(name)) return Refusal{std::string("data.") + name, "is missing"};
  }
  const char* signing = files.contains(kChain) ? kChain : kCertificate;
  const Decoded<certs::LocalCa> ca =
      certs::LocalCa::FromPem(files.at(kKey), files.at(signing), files.at(kRoots));
  if (!ca) return Refusal{"data", ca.error().ToString()};
  return {};
}

}  // namespace

Decoded<CaFiles> ReadCaSecret(std::string_view object) {
  AQ_TRY(const Json secret, ReadJson(object, kLimits));
  std::optional<Refusal> refusal;
  Fields root(&secret, "", refusal);
  Fields data = root.Object("data");
  CaFiles files;
  for (const char* name : {kKey, kCertificate, kChain, kRoots}) {
    const std::string text = data.Text(name, "", kMaxData);
    if (text.empty()) continue;
    if (!absl::Base64Unescape(text, &files[name])) data.Refuse(name, "is not base64");
  }
  if (refusal) return *std::move(refusal);
  AQ_TRY_STATUS(CheckCa(files));
  return files;
}

std::string CaSecretBody(std::string_view namespace_name, std::string_view name,
                         const CaFiles& files) {
  Json data = Json::object();
  for (const auto& [file, content] : files) data[file] = absl::Base64Escape(content);
  return Json{{"apiVersion", "v1"},
              {"kind", "Secret"},
              {"type", "Opaque"},
              {"metadata",
               {{"name", name},
                {"namespace", namespace_name},
                {"labels", {{"app.kubernetes.io/managed-by", "aquifer-control"}}}}},
              {"data", std::move(data)}}
      .dump();
}

}  // namespace aquifer::control
