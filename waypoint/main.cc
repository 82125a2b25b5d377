// aquifer-waypoint: the waypoint of a namespace or service account, and the ingress gateway.
// Everything is in proxy.h.
#include "proxy/program.h"
#include "waypoint/config.h"
#include "waypoint/proxy.h"

namespace {

constexpr aquifer::app::Program kProgram{
    .name = "aquifer-waypoint",
    .help =
        "aquifer-waypoint: the waypoint and ingress gateway of Aquifer\n\n"
        "  aquifer-waypoint [proxy]   run\n"
        "  aquifer-waypoint version   print the version\n"
        "  aquifer-waypoint help      this text\n\n"
        "Settings come from the environment: GATEWAY_NAME, POD_NAMESPACE, SERVICE_ACCOUNT,\n"
        "INSTANCE_IP, XDS_ADDRESS, CA_ADDRESS, XDS_ROOT_CA, CA_ROOT_CA and others "
        "(docs/settings.md).\n"
        "Admin: localhost:15000, metrics: 15020/stats/prometheus, readiness: "
        "15021/healthz/ready.\n"};

}  // namespace

int main(int argc, char** argv) {
  return aquifer::proxy::Main<aquifer::waypoint::Proxy>(kProgram, &aquifer::waypoint::LoadConfig,
                                                        argc, argv);
}
