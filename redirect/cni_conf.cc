#include "redirect/cni_conf.h"

#include <algorithm>
#include <utility>

namespace aquifer::redirect {
namespace {

constexpr size_t kMaxArgs = 64 * 1024;
constexpr size_t kMaxExcluded = 256;
constexpr size_t kMaxName = 253;
constexpr size_t kMaxSocket = 107;  // what a sockaddr_un has room for
// Kubelet gives a runtime two minutes; the pod's other plugins need some of that.
constexpr std::int64_t kLongestTimeout = 110;

size_t RankOf(std::string_view version) {
  return static_cast<size_t>(std::find(kCniVersions.begin(), kCniVersions.end(), version) -
                             kCniVersions.begin());
}

Decoded<std::string> ReadSocket(const OrderedJson& conf) {
  AQ_TRY(std::string path, TextOf(conf, "socket", kMaxSocket));
  if (path.empty()) return std::string(kPluginSocket);
  if (path[0] != '/') return Refusal{"socket", "is not an absolute path"};
  return path;
}

Decoded<std::chrono::seconds> ReadTimeout(const OrderedJson& conf) {
  const OrderedJson* const value = MemberOf(conf, "timeoutSeconds");
  if (value == nullptr) return PluginSettings().timeout;
  const Refusal refusal{"timeoutSeconds",
                        "is not a number from 1 to " + std::to_string(kLongestTimeout)};
  if (!value->is_number_unsigned() && !value->is_number_integer()) return refusal;
  if (*value < 1 || *value > kLongestTimeout) return refusal;
  return std::chrono::seconds(value->get<std::int64_t>());
}

Decoded<bool> ReadFailClosed(const OrderedJson& conf) {
  const OrderedJson* const value = MemberOf(conf, "failClosed");
  if (value == nullptr) return PluginSettings().fail_closed;
  if (!value->is_boolean()) return Refusal{"failClosed", "is neither true nor false"};
  return value->get<bool>();
}

Decoded<std::vector<std::string>> ReadExcluded(const OrderedJson& conf) {
  std::vector<std::string> excluded;
  const OrderedJson* const value = MemberOf(conf, "excludeNamespaces");
  if (value == nullptr) return excluded;
  if (!value->is_array() || value->size() > kMaxExcluded)
    return Refusal{"excludeNamespaces", "is not a list of at most 256 namespaces"};
  for (const OrderedJson& entry : *value) {
    const std::string* const name = entry.get_ptr<const std::string*>();
    if (name == nullptr || name->empty() || name->size() > kMaxName)
      return Refusal{"excludeNamespaces", "has an entry that is no name of a namespace"};
    excluded.push_back(*name);
  }
  return excluded;
}

CniError BadConf(const Refusal& refusal) {
  return {CniCode::kBadConfiguration, "the network configuration cannot be used",
          refusal.ToString()};
}

// A result is passed on as it came. Only one of another version would be a lie: whoever chains us
// has converted it before.
Decoded<std::optional<OrderedJson>> ReadPrevResult(const OrderedJson& conf,
                                                   const std::string& version) {
  const OrderedJson* const found = MemberOf(conf, "prevResult");
  if (found == nullptr) return std::optional<OrderedJson>();
  if (!found->is_object()) return Refusal{"prevResult", "is not an object"};
  OrderedJson result = *found;
  AQ_TRY(const std::string said, TextOf(result, "cniVersion", kMaxName));
  if (said.empty()) result["cniVersion"] = version;
  if (!said.empty() && said != version)
    return Refusal{"prevResult.cniVersion", "is another than that of the configuration"};
  return std::optional<OrderedJson>(std::move(result));
}

}  // namespace

bool IsKnownCniVersion(std::string_view version) { return RankOf(version) < kCniVersions.size(); }

bool IsAtLeast(std::string_view version, std::string_view least) {
  return RankOf(version) >= RankOf(least);
}

Decoded<PluginSettings> ReadPluginSettings(const OrderedJson& conf) {
  PluginSettings settings;
  AQ_TRY(settings.socket, ReadSocket(conf));
  AQ_TRY(settings.timeout, ReadTimeout(conf));
  AQ_TRY(settings.fail_closed, ReadFailClosed(conf));
  AQ_TRY(settings.excluded, ReadExcluded(conf));
  return settings;
}

CniResult<CniConf> ReadCniConf(std::string_view text) {
  const Decoded<OrderedJson> json = ReadOrderedJson(text);
  if (!json) {
    return CniError{CniCode::kNotDecoded, "the network configuration cannot be read",
                    "standard input " + json.error().ToString()};
  }
  CniConf conf;
  Decoded<std::string> version = TextOf(*json, "cniVersion", kMaxName);
  if (!version) return BadConf(version.error());
  conf.version = *std::move(version);
  if (!IsKnownCniVersion(conf.version)) {
    return CniError{CniCode::kIncompatibleVersion, "the CNI version is not supported",
                    "cniVersion: \"" + conf.version + "\" is none from 0.3.0 to " +
                        std::string(kNewestCniVersion)};
  }
  Decoded<PluginSettings> settings = ReadPluginSettings(*json);
  if (!settings) return BadConf(settings.error());
  conf.settings = *std::move(settings);
  auto result = ReadPrevResult(*json, conf.version);
  if (!result) return BadConf(result.error());
  conf.prev_result = *std::move(result);
  return conf;
}

std::string AnswerVersion(std::string_view text) {
  if (const Decoded<OrderedJson> json = ReadOrderedJson(text)) {
    const Decoded<std::string> version = TextOf(*json, "cniVersion", kMaxName);
    if (version && IsKnownCniVersion(*version)) return *version;
  }
  return std::string(kNewestCniVersion);
}

CniResult<CniArgs> ReadCniArgs(std::string_view text) {
  const auto refused = [](std::string why) {
    return CniError{CniCode::kBadEnvironment, "CNI_ARGS cannot be used", std::move(why)};
  };
  if (text.size() > kMaxArgs) return refused("it is longer than 64 KiB");
  CniArgs args;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find(';'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos) return refused("it has a part without \"=\"");
    const std::string_view key = pair.substr(0, equals);
    const std::string value(pair.substr(equals + 1));
    if (key == "K8S_POD_NAMESPACE") args.pod_namespace = value;
    if (key == "K8S_POD_NAME") args.pod_name = value;
    if (key == "K8S_POD_UID") args.pod_uid = value;
  }
  return args;
}

}  // namespace aquifer::redirect
