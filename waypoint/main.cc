// aquifer-waypoint: the waypoint of a namespace or service account, and the ingress gateway. What
// it is called with; everything else is in proxy.h.
#include "core/app/process.h"
#include "core/app/program.h"
#include "waypoint/config.h"
#include "waypoint/proxy.h"

namespace aquifer::waypoint {
namespace {

constexpr app::Program kProgram{
    .name = "aquifer-waypoint",
    .help =
        "aquifer-waypoint: the waypoint and ingress gateway of Aquifer\n\n"
        "  aquifer-waypoint [proxy]   run\n"
        "  aquifer-waypoint version   print the version\n"
        "  aquifer-waypoint help      this text\n\n"
        "Settings come from the environment: GATEWAY_NAME, POD_NAMESPACE, SERVICE_ACCOUNT,\n"
        "INSTANCE_IP, XDS_ADDRESS, CA_ADDRESS, XDS_ROOT_CA, CA_ROOT_CA and others.\n"
        "Admin: localhost:15000, metrics: 15020/stats/prometheus, readiness: "
        "15021/healthz/ready.\n"};

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
}  // namespace aquifer::waypoint

int main(int argc, char** argv) {
  using aquifer::waypoint::kProgram;
  const std::string_view verb = argc > 1 ? argv[1] : "proxy";
  if (verb == "proxy") return aquifer::waypoint::Run();
  if (const std::optional<int> answered = kProgram.Answer(verb)) return *answered;
  return kProgram.Misused(std::string(verb) + ": is no command");
}
