// aquifer-node: the proxy of a node. What it is called with; everything else is in proxy.h.
#include "core/app/process.h"
#include "core/app/program.h"
#include "node-proxy/config.h"
#include "node-proxy/proxy.h"

namespace aquifer::node {
namespace {

constexpr app::Program kProgram{
    .name = "aquifer-node",
    .help =
        "aquifer-node: the node proxy of Aquifer\n\n"
        "  aquifer-node [proxy]   run\n"
        "  aquifer-node version   print the version\n"
        "  aquifer-node help      this text\n\n"
        "Settings come from the environment, under the names of Istio's node proxy "
        "(docs/settings.md).\n"
        "Admin: localhost:15000, metrics: 15020/metrics, readiness: 15021/healthz/ready.\n"};

Task<Result<void, Refusal>> Serve(const Config& config, app::Process& process, StopToken stop) {
  Proxy proxy(config, process.log(), process.registry());
  co_return co_await proxy.Run(stop);
}

int Run() {
  const Decoded<proxy::Loaded<Config>> loaded = LoadConfig(app::ReadEnvironment());
  if (!loaded) return kProgram.Refused(loaded.error());
  const Config& config = loaded->config;
  app::Process process(
      {.scope = "proxy", .log_format = config.log_format, .log_levels = config.log_levels});
  app::LogNotes(process.log(), loaded->notes);
  return process.Run([&](StopToken stop) { return Serve(config, process, stop); });
}

}  // namespace
}  // namespace aquifer::node

int main(int argc, char** argv) {
  using aquifer::node::kProgram;
  const std::string_view verb = argc > 1 ? argv[1] : "proxy";
  // Istio's chart starts the proxy as "proxy ztunnel".
  if (verb == "proxy") return aquifer::node::Run();
  if (const std::optional<int> answered = kProgram.Answer(verb)) return *answered;
  return kProgram.Misused(std::string(verb) + ": is no command");
}
