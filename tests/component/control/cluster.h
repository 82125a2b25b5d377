// An API server that serves what the control plane reads: the core group, and Gateway API and
// Istio's kinds in version v1.
#pragma once

#include "control/decode/decode.h"
#include "tests/component/kube/api_server.h"

namespace aquifer::control {

class ApiServer : public kube::ApiServer {
 public:
  ApiServer() {
    for (const DecoderRow& row : Decoders()) {
      const std::string group =
          row.group.empty() ? "/api/v1/" : "/apis/" + std::string(row.group) + "/v1/";
      Serve(group + std::string(row.plural));
    }
  }
};

}  // namespace aquifer::control
