// The certificates of a proxy as /config_dump shows them, under the keys that istioctl knows. Any
// thread that may ask the store.
#pragma once

#include <nlohmann/json.hpp>

#include "certs/store.h"

namespace aquifer::proxy {

nlohmann::ordered_json CertificatesJson(const std::vector<certs::CertStatus>& certificates);

}  // namespace aquifer::proxy
