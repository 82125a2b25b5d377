#include "redirect/plugin_protocol.h"

#include <algorithm>
#include <array>
#include <utility>

#include "redirect/ordered_json.h"

namespace aquifer::redirect {
namespace {

constexpr JsonBounds kBounds{.bytes = kMaxPluginPacket, .values = 64, .depth = 4};
constexpr size_t kMaxName = 253;   // RFC 1123 subdomain, as Kubernetes bounds names
constexpr size_t kMaxPath = 1024;  // of a network namespace
// An escaped byte takes six, so that an answer always fits.
constexpr size_t kMaxErrorText = 1024;

constexpr std::array<std::pair<PluginCommand, std::string_view>, 3> kCommands = {
    {{PluginCommand::kAdd, "ADD"}, {PluginCommand::kDel, "DEL"}, {PluginCommand::kCheck, "CHECK"}}};

bool IsOfName(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

// As the CNI specification spells container ids; uids of pods are among these.
bool IsOfId(char c) { return IsOfName(c) || (c >= 'A' && c <= 'Z') || c == '_'; }

using Checked = Result<void, Refusal>;

Checked CheckText(const char* field, std::string_view text, bool (*allowed)(char),
                  const char* what) {
  if (text.empty()) return Refusal{field, "is missing"};
  if (text.size() > kMaxName) return Refusal{field, "is longer than 253 bytes"};
  if (!std::all_of(text.begin(), text.end(), allowed)) return Refusal{field, what};
  return {};
}

Checked CheckNetns(const PluginRequest& request) {
  const std::string& path = request.netns;
  if (path.empty() && request.command == PluginCommand::kDel) return {};
  if (path.empty()) return Refusal{"netns", "is missing"};
  if (path.size() > kMaxPath) return Refusal{"netns", "is longer than 1024 bytes"};
  const auto is_plain = [](char c) { return c > ' ' && c < 0x7f; };
  if (path[0] != '/' || !std::all_of(path.begin(), path.end(), is_plain))
    return Refusal{"netns", "is not an absolute path of printable characters"};
  return {};
}

Checked Check(const PluginRequest& request) {
  constexpr const char* kNoName = "is not a Kubernetes name (a-z, 0-9, '-', '.')";
  constexpr const char* kNoId = "has characters other than letters, digits, '.', '_' and '-'";
  AQ_TRY_STATUS(CheckText("namespace", request.ns, &IsOfName, kNoName));
  AQ_TRY_STATUS(CheckText("name", request.name, &IsOfName, kNoName));
  AQ_TRY_STATUS(CheckText("uid", request.uid, &IsOfId, kNoId));
  AQ_TRY_STATUS(CheckText("containerId", request.container_id, &IsOfId, kNoId));
  return CheckNetns(request);
}

Checked CheckVersion(const OrderedJson& json) {
  const OrderedJson* const version = MemberOf(json, "version");
  if (version == nullptr || !version->is_number_integer())
    return Refusal{"version", "is not a number"};
  if (*version == kPluginProtocol) return {};
  return Refusal{"version", "is another than " + std::to_string(kPluginProtocol) +
                                ": plugin and node agent are of different releases"};
}

Decoded<PluginCommand> CommandOf(const OrderedJson& json) {
  AQ_TRY(const std::string word, TextOf(json, "command", 16));
  for (const auto& [command, name] : kCommands) {
    if (word == name) return command;
  }
  return Refusal{"command", "is none of ADD, DEL and CHECK"};
}

std::string WordOf(PluginCommand command) {
  for (const auto& [known, name] : kCommands) {
    if (known == command) return std::string(name);
  }
  return "";
}

}  // namespace

Decoded<std::string> EncodePluginRequest(const PluginRequest& request) {
  AQ_TRY_STATUS(Check(request));
  const OrderedJson json = {{"version", kPluginProtocol},
                            {"command", WordOf(request.command)},
                            {"namespace", request.ns},
                            {"name", request.name},
                            {"uid", request.uid},
                            {"netns", request.netns},
                            {"containerId", request.container_id}};
  return json.dump();  // plain ASCII, and each member is bounded
}

Decoded<PluginRequest> DecodePluginRequest(std::string_view packet) {
  AQ_TRY(const OrderedJson json, ReadOrderedJson(packet, kBounds));
  AQ_TRY_STATUS(CheckVersion(json));
  PluginRequest request;
  AQ_TRY(request.command, CommandOf(json));
  AQ_TRY(request.ns, TextOf(json, "namespace", kMaxPath));
  AQ_TRY(request.name, TextOf(json, "name", kMaxPath));
  AQ_TRY(request.uid, TextOf(json, "uid", kMaxPath));
  AQ_TRY(request.netns, TextOf(json, "netns", kMaxPath));
  AQ_TRY(request.container_id, TextOf(json, "containerId", kMaxPath));
  AQ_TRY_STATUS(Check(request));
  return request;
}

std::string EncodePluginAnswer(const PluginAnswer& answer) {
  OrderedJson json = {{"version", kPluginProtocol}, {"enrolled", answer.enrolled}};
  if (!answer.error.empty()) json["error"] = answer.error.substr(0, kMaxErrorText);
  // Texts of the kernel and of the proxy may hold anything, and the cut may be inside a character.
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

Decoded<PluginAnswer> DecodePluginAnswer(std::string_view packet) {
  AQ_TRY(const OrderedJson json, ReadOrderedJson(packet, kBounds));
  AQ_TRY_STATUS(CheckVersion(json));
  const OrderedJson* const enrolled = MemberOf(json, "enrolled");
  if (enrolled == nullptr || !enrolled->is_boolean())
    return Refusal{"enrolled", "is neither true nor false"};
  PluginAnswer answer{.enrolled = enrolled->get<bool>()};
  const OrderedJson* const error = MemberOf(json, "error");
  if (error == nullptr) return answer;
  if (!error->is_string()) return Refusal{"error", "is not text"};
  answer.error = error->get<std::string>();
  if (answer.error.empty()) return Refusal{"error", "is empty"};
  return answer;
}

}  // namespace aquifer::redirect
