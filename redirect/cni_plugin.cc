#include "redirect/cni_plugin.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace aquifer::redirect {
namespace {

using Json = OrderedJson;

std::string Line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

PluginOutput Versions(const PluginCall& call) {
  Json supported = Json::array();
  for (const std::string_view version : kCniVersions) supported.push_back(std::string(version));
  const Json answer = {{"cniVersion", AnswerVersion(call.conf)},
                       {"supportedVersions", std::move(supported)}};
  return {.text = Line(answer)};
}

CniError BadEnvironment(std::string details) {
  return {CniCode::kBadEnvironment, "the environment of the plugin cannot be used",
          std::move(details)};
}

// The member of the request that is wrong, in the words of whoever set it.
std::string VariableOf(const std::string& field) {
  if (field == "namespace") return "CNI_ARGS: K8S_POD_NAMESPACE";
  if (field == "name") return "CNI_ARGS: K8S_POD_NAME";
  if (field == "uid") return "CNI_ARGS: K8S_POD_UID";
  if (field == "netns") return "CNI_NETNS";
  return "CNI_CONTAINERID";
}

// What to ask of the agent; nothing for what is no pod, or a pod that is none of the mesh's
// business. So that the agent, the proxies and the network itself can start before anybody answers.
CniResult<std::optional<PluginRequest>> RequestOf(const PluginCall& call, const CniConf& conf,
                                                  PluginCommand command) {
  AQ_TRY(CniArgs args, ReadCniArgs(call.args));
  const std::vector<std::string>& excluded = conf.settings.excluded;
  const bool is_pod = !args.pod_name.empty() || !args.pod_namespace.empty();
  if (!is_pod || std::find(excluded.begin(), excluded.end(), args.pod_namespace) != excluded.end())
    return std::optional<PluginRequest>();
  PluginRequest request{.command = command,
                        .ns = std::move(args.pod_namespace),
                        .name = std::move(args.pod_name),
                        .uid = std::move(args.pod_uid),
                        .netns = call.netns,
                        .container_id = call.container_id};
  const Decoded<std::string> usable = EncodePluginRequest(request);
  if (!usable) {
    return BadEnvironment(Refusal{VariableOf(usable.error().field), usable.error().why}.ToString());
  }
  return std::optional<PluginRequest>(std::move(request));
}

// Why the pod is not as it should be.
std::optional<CniError> Ask(const PluginRequest& request, const CniConf& conf, PluginAgent& agent) {
  const std::string pod = "pod " + request.ns + "/" + request.name;
  const Decoded<PluginAnswer> answer = agent.Ask(conf.settings, request);
  if (!answer) {
    return CniError{CniCode::kTryAgainLater,
                    "aquifer-cni: the node agent does not answer, so that nobody knows whether " +
                        pod + " belongs to the mesh",
                    answer.error().ToString()};
  }
  if (answer->error.empty()) return std::nullopt;
  return CniError{CniCode::kTryAgainLater, "aquifer-cni: " + pod + " is not in the mesh yet",
                  answer->error};
}

std::string NoteOf(const CniError& error) {
  return error.msg + (error.details.empty() ? "" : ": " + error.details) + "\n";
}

// ADD and CHECK: an error keeps the pod from starting, unless the settings let it pass.
PluginOutput Enrol(const PluginCall& call, const CniConf& conf, PluginCommand command,
                   PluginAgent& agent) {
  if (!conf.prev_result) {
    return PluginFailure(conf.version,
                         {CniCode::kBadConfiguration, "the network configuration cannot be used",
                          "prevResult: is missing; aquifer-cni comes after another plugin"});
  }
  PluginOutput passed;
  if (command == PluginCommand::kAdd) passed.text = Line(*conf.prev_result);
  const auto request = RequestOf(call, conf, command);
  if (request.ok() && !*request) return passed;
  const std::optional<CniError> error =
      request.ok() ? Ask(**request, conf, agent) : std::optional<CniError>(request.error());
  if (!error) return passed;
  if (conf.settings.fail_closed) return PluginFailure(conf.version, *error);
  passed.note = "failClosed is off: " + NoteOf(*error);
  return passed;
}

// Never an error: a sandbox that cannot be taken down would keep its pod from ever ending, and what
// the agent does not hear it finds out by itself.
PluginOutput Leave(const PluginCall& call, const CniConf& conf, PluginAgent& agent) {
  const auto request = RequestOf(call, conf, PluginCommand::kDel);
  if (!request) return {.note = NoteOf(request.error())};
  if (!*request) return {};
  const std::optional<CniError> error = Ask(**request, conf, agent);
  if (error) return {.note = NoteOf(*error)};
  return {};
}

PluginOutput TooOld(const CniConf& conf, const std::string& command) {
  return PluginFailure(conf.version, {CniCode::kIncompatibleVersion,
                                      "the CNI version of the configuration has no " + command,
                                      "cniVersion: is " + conf.version});
}

}  // namespace

PluginOutput PluginFailure(const std::string& version, const CniError& error) {
  Json json = {{"cniVersion", version},
               {"code", static_cast<int>(error.code)},
               {"msg", error.msg},
               {"details", error.details}};
  return {.exit_status = 1, .text = Line(json), .note = NoteOf(error)};
}

PluginOutput RunPlugin(const PluginCall& call, PluginAgent& agent) {
  const std::string& command = call.command;
  if (command == "VERSION") return Versions(call);
  const CniResult<CniConf> conf = ReadCniConf(call.conf);
  if (!conf) {
    // What was never added by us needs nothing taken away.
    if (command == "DEL") return {.note = NoteOf(conf.error())};
    return PluginFailure(AnswerVersion(call.conf), conf.error());
  }
  if (command == "ADD") return Enrol(call, *conf, PluginCommand::kAdd, agent);
  if (command == "DEL") return Leave(call, *conf, agent);
  if (command == "CHECK") {
    if (!IsAtLeast(conf->version, "0.4.0")) return TooOld(*conf, command);
    return Enrol(call, *conf, PluginCommand::kCheck, agent);
  }
  if (command == "STATUS" || command == "GC") {
    // STATUS: a plugin that says it is not ready makes kubelet take the node for not ready, and
    // then the agent's own pod could not start. GC: the agent sees for itself which pods are gone.
    return IsAtLeast(conf->version, "1.1.0") ? PluginOutput() : TooOld(*conf, command);
  }
  return PluginFailure(conf->version, BadEnvironment("CNI_COMMAND: is no command of CNI"));
}

}  // namespace aquifer::redirect
