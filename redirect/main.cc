// aquifer-cni: the node agent, capture of a single network namespace by hand, and the CNI plugin
// with its installation. Reads its arguments and starts what they ask for; nothing else.
#include <array>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "core/app/arguments.h"
#include "core/app/process.h"
#include "core/app/program.h"
#include "core/app/setting_values.h"
#include "redirect/agent.h"
#include "redirect/install_command.h"
#include "redirect/netns.h"
#include "redirect/plugin_process.h"
#include "redirect/rules.h"
#include "redirect/source_flags.h"

namespace aquifer::redirect {
namespace {

constexpr std::string_view kHelp =
    R"(aquifer-cni: brings pods of this node into the mesh, and out of it

  aquifer-cni agent (--manifests DIR | --kubernetes in-cluster|FILE) --node-name NAME
                    [--exclude-namespaces NAMES] [--proc PATH] [--zds-socket PATH]
                    [--status-file PATH] [--admin IP:PORT] [--dns-capture] [--log-level LEVELS]
                    [--io-backend auto|io_uring|epoll] [--plugin-socket PATH]
                    [--install-cni [--conf-dir DIR] [--bin-dir DIR] [--plugin-conf JSON]]
      Captures the pods of this node that are enrolled, hands them to the node proxy, and goes on
      doing so as they change. SIGTERM ends the agent and leaves the pods as they are.
  aquifer-cni enrol NETNS [--dns-capture] [--no-inbound]
      Puts the rules of a captured pod into force in one network namespace.
  aquifer-cni remove NETNS
      Takes them away.
  aquifer-cni verify NETNS
      Prints the rules as the kernel holds them. Exit status 0 only if they are those of a captured pod.
  aquifer-cni install --conf-dir DIR --bin-dir DIR [--plugin-conf JSON] [--plugin-program FILE]
      Makes the CNI plugin part of the node's network configuration, once.
  aquifer-cni uninstall --conf-dir DIR --bin-dir DIR
      Takes it out again. Not beside an agent that installs it.
  aquifer-cni help | version

Started by a container runtime, with CNI_COMMAND in the environment and no words, it is that plugin.

NETNS is a name as of "ip netns", or a path such as /proc/PID/ns/net. All but help and version need root.

agent
  A pod is captured if its label istio.io/dataplane-mode is "ambient", or its namespace's is and its own
  is not "none"; never with hostNetwork or a sidecar.
  --manifests DIR      Namespace and Pod manifests (*.yaml, *.yml, *.json). The annotation
                       aquifer.io/netns of the pod names its network namespace.
  --kubernetes WHERE   The API server's: "in-cluster" (a pod's service account), or a kubeconfig. Network
                       namespaces are those of the pods' processes; what becomes of a pod is written on
                       it as the annotation ambient.istio.io/redirection.
  --exclude-namespaces NAMES
                       With --kubernetes: no pod of these is captured, separated by commas (default
                       kube-system and what POD_NAMESPACE says, the agent's own).
  --proc PATH          With --kubernetes: the host's /proc (default /proc).
  --node-name NAME     Only pods with this spec.nodeName.
  --zds-socket PATH    Where node proxies connect (default /var/run/ztunnel/ztunnel.sock).
  --status-file PATH   JSON: the pods, and whether each was proven to be captured. Kept there, it also
                       tells the next run what this one had captured.
  --admin IP:PORT      Serves /metrics and /healthz/ready there (default: nowhere).
  --dns-capture        Redirect DNS to the proxy. Only for proxies that serve DNS.
  --log-level LEVELS   As RUST_LOG: "info" (default), "debug", "info,zds=debug".
  --io-backend NAME    How the kernel is reached: "auto" (default: epoll where io_uring is refused),
                       "io_uring" or "epoll".
  --plugin-socket PATH Where the CNI plugin asks for pods that start (default: nowhere; with
                       --install-cni what the plugin's configuration says). A pod of the mesh then
                       starts when it is captured and served.
  --install-cni        Install the CNI plugin and keep it installed. It stays when the agent ends.
  --conf-dir DIR       The node's network configurations (default /etc/cni/net.d).
  --bin-dir DIR        The node's CNI plugins (default /opt/cni/bin).
  --plugin-conf JSON   An object of the plugin's settings that are not to be as by default:
                       {"socket": "/var/run/aquifer-cni/plugin.sock", "timeoutSeconds": 30,
                        "failClosed": true, "excludeNamespaces": ["kube-system", "aquifer-system"]}
  --plugin-program FILE  What to install as the plugin (default: aquifer-cni-plugin beside this
                       program, which needs no libraries of the node, else this program).
enrol
  --dns-capture        Redirect DNS as well.
  --no-inbound         Leave traffic to the pod alone.
)";

constexpr app::Program kProgram{.name = "aquifer-cni", .help = kHelp};

using app::Arguments;
using app::Flag;

// Of each command that has any.
constexpr Flag kDnsCapture = {"--dns-capture", ""};
constexpr std::array<Flag, 2> kEnrolFlags = {kDnsCapture, {"--no-inbound", ""}};
constexpr std::array<Flag, 17> kAgentFlags = {kDnsCapture,
                                              kManifests,
                                              kKubernetes,
                                              kExcludeNamespaces,
                                              kProc,
                                              kConfDir,
                                              kBinDir,
                                              kPluginConf,
                                              kPluginProgram,
                                              kInstallCni,
                                              kPluginSocketFlag,
                                              {"--node-name", "NAME"},
                                              {"--zds-socket", "PATH"},
                                              {"--status-file", "PATH"},
                                              {"--admin", "IP:PORT"},
                                              {"--log-level", "LEVELS"},
                                              {"--io-backend", "NAME"}};

// Runs `inside` in the namespace that the one plain argument names.
template <class Inside>
int InNamespace(const Arguments& arguments, Inside&& inside) {
  if (arguments.plain().size() != 1) return kProgram.Misused("one NETNS is needed");
  const std::string& name = arguments.plain()[0];
  const Result<NetnsRef> netns = Netns::Open(name);
  if (!netns) return kProgram.Failed(name + ": " + Describe(netns.error()));
  Result<void, Refusal> done;
  const Status entered = (*netns)->Run([&]() -> Status {
    done = inside();
    return {};
  });
  if (!entered) return kProgram.Failed(name + ": " + Describe(entered.error()));
  if (!done) return kProgram.Failed(name + ": " + done.error().ToString());
  return 0;
}

int Enrol(const std::vector<std::string_view>& words) {
  const auto arguments = Arguments::Parse(words, kEnrolFlags);
  if (!arguments) return kProgram.Misused(arguments.error().ToString());
  const RuleOptions rules{.inbound = !arguments->Has("--no-inbound"),
                          .dns = arguments->Has("--dns-capture")};
  RuleVerifier verifier;
  return InNamespace(*arguments, [&]() -> Result<void, Refusal> {
    AQ_TRY_STATUS(ApplyFirstRules(rules));
    return verifier.Verify(rules);
  });
}

int Remove(const std::vector<std::string_view>& words) {
  const auto arguments = Arguments::Parse(words, {});
  if (!arguments) return kProgram.Misused(arguments.error().ToString());
  return InNamespace(*arguments, [] { return RemoveRules(); });
}

Result<void, Refusal> PrintAndVerify() {
  AQ_TRY(const std::string rules, ListRules());
  std::fputs(rules.c_str(), stdout);
  RuleVerifier verifier;
  const Result<void, Refusal> plain = verifier.Verify({});
  if (plain) return {};
  for (const RuleOptions& other :
       {RuleOptions{.inbound = true, .dns = true}, RuleOptions{.inbound = false, .dns = false},
        RuleOptions{.inbound = false, .dns = true}}) {
    if (verifier.Verify(other)) return {};
  }
  return plain;
}

int Verify(const std::vector<std::string_view>& words) {
  const auto arguments = Arguments::Parse(words, {});
  if (!arguments) return kProgram.Misused(arguments.error().ToString());
  return InNamespace(*arguments, [] { return PrintAndVerify(); });
}

// The socket first: a proxy that cannot be reached is seen before the first pod is captured.
Task<Result<void, Refusal>> Serve(Agent& agent, const AgentOptions& options, obs::Logger& log,
                                  StopToken stop) {
  AQ_CO_TRY_STATUS(agent.Listen());
  log.Info("agent", "started", {{"node", options.node_name}});
  co_await agent.Run(stop);
  log.Info("agent", "ended; pods stay captured");
  co_return Result<void, Refusal>();
}

// What is wrong shows when the socket is made.
void MakeFolderOf(const std::string& socket) {
  std::error_code ignored;
  if (!socket.empty())
    std::filesystem::create_directories(std::filesystem::path(socket).parent_path(), ignored);
}

int RunAgentCommand(const std::vector<std::string_view>& words) {
  const auto arguments = Arguments::Parse(words, kAgentFlags);
  if (!arguments) return kProgram.Misused(arguments.error().ToString());
  if (!arguments->plain().empty())
    return kProgram.Misused(arguments->plain()[0] + ": is no flag here");
  if (const auto usable = CheckSourceFlags(*arguments); !usable)
    return kProgram.Misused(usable.error().ToString());
  const auto levels = obs::LevelFilter::Parse(arguments->Value("--log-level", "info"));
  if (!levels) return kProgram.Misused("--log-level " + levels.error().ToString());
  const auto backend = app::ReadIoBackend(arguments->Value("--io-backend", "auto"));
  if (!backend) return kProgram.Misused("--io-backend " + backend.error().ToString());
  const std::optional<Address> admin = Address::Parse(arguments->Value("--admin", ""));
  if (arguments->Has("--admin") && !admin) return kProgram.Misused("--admin is not IP:PORT");
  const Decoded<PluginOptions> plugin = ReadPluginOptions(*arguments);
  if (!plugin) return kProgram.Misused(plugin.error().ToString());
  const AgentOptions options{
      .node_name = arguments->Value("--node-name", ""),
      .zds_socket = arguments->Value("--zds-socket", AgentOptions().zds_socket),
      .status_file = arguments->Value("--status-file", ""),
      .admin = admin,
      .plugin_socket = plugin->socket,
      .install = plugin->install};
  MakeFolderOf(options.zds_socket);
  MakeFolderOf(options.plugin_socket);
  app::Process process(
      {.program = "aquifer-cni", .scope = "agent", .log_levels = *levels, .io_backend = *backend});
  Decoded<std::unique_ptr<PodSource>> source =
      SourceOf(*arguments, !options.plugin_socket.empty(), process.log());
  if (!source) return kProgram.Failed(source.error().ToString());
  Agent agent(options, *std::move(source), process.log());
  return process.Run([&](StopToken stop) { return Serve(agent, options, process.log(), stop); });
}

int Main(std::vector<std::string_view> words) {
  if (words.empty()) return kProgram.Misused("a command is needed");
  const std::string_view command = words[0];
  words.erase(words.begin());
  if (command == "agent") return RunAgentCommand(words);
  if (command == "enrol") return Enrol(words);
  if (command == "remove") return Remove(words);
  if (command == "verify") return Verify(words);
  if (command == "install") return InstallCommand(kProgram, words);
  if (command == "uninstall") return UninstallCommand(kProgram, words);
  if (const std::optional<int> answered = kProgram.Answer(command)) return *answered;
  return kProgram.Misused(std::string(command) + ": is no command");
}

}  // namespace
}  // namespace aquifer::redirect

int main(int argc, char** argv) {
  // A runtime gives no words, and a person who has the variable set for another purpose does.
  if (argc <= 1 && aquifer::redirect::IsCalledAsPlugin()) return aquifer::redirect::RunAsPlugin();
  return aquifer::redirect::Main(std::vector<std::string_view>(argv + 1, argv + argc));
}
