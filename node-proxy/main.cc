// aquifer-node: the proxy of a node. Everything is in proxy.h.
#include "node-proxy/config.h"
#include "node-proxy/proxy.h"
#include "proxy/program.h"

namespace {

constexpr aquifer::app::Program kProgram{
    .name = "aquifer-node",
    .help =
        "aquifer-node: the node proxy of Aquifer\n\n"
        "  aquifer-node [proxy]   run\n"
        "  aquifer-node version   print the version\n"
        "  aquifer-node help      this text\n\n"
        "Settings come from the environment, under the names of Istio's node proxy "
        "(docs/settings.md).\n"
        "Admin: localhost:15000, metrics: 15020/metrics, readiness: 15021/healthz/ready.\n"};

}  // namespace

int main(int argc, char** argv) {
  return aquifer::proxy::Main<aquifer::node::Proxy>(kProgram, &aquifer::node::LoadConfig, argc,
                                                    argv);
}
