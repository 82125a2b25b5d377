#include "proxy/certificates_json.h"

#include <array>
#include <ctime>

#include "absl/strings/escaping.h"

namespace aquifer::proxy {
namespace {

using Json = nlohmann::ordered_json;

std::string Rfc3339(certs::WallTime time) {
  const std::time_t seconds = time.time_since_epoch().count();
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

// istioctl wants the PEM in base64, once more than it already is.
Json CertificateJson(const certs::CertificateInfo& info) {
  return Json{{"pem", absl::Base64Escape(info.pem)},
              {"serialNumber", info.serial_number},
              {"validFrom", Rfc3339(info.not_before)},
              {"expirationTime", Rfc3339(info.not_after)}};
}

}  // namespace

Json CertificatesJson(const std::vector<certs::CertStatus>& certificates) {
  Json list = Json::array();
  for (const certs::CertStatus& status : certificates) {
    Json entry{{"identity", status.identity.ToString()},
               {"state", certs::StateName(status.state)},
               {"certChain", Json::array()},
               {"rootCerts", Json::array()}};
    if (status.certificate != nullptr) {
      for (const certs::CertificateInfo& info : status.certificate->bundle.certificates())
        entry["certChain"].push_back(CertificateJson(info));
      for (const certs::CertificateInfo& info : status.certificate->bundle.roots()->certificates())
        entry["rootCerts"].push_back(CertificateJson(info));
    }
    if (!status.failure.empty()) entry["failure"] = status.failure;
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace aquifer::proxy
