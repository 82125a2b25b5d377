// What a container runtime tells a CNI plugin (CNI specification 1.1, sections 2 and 3): the
// network configuration of its standard input, and CNI_ARGS; and the settings that are ours in that
// configuration. Bytes to values; pure, any thread.
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "redirect/ordered_json.h"
#include "redirect/plugin_protocol.h"

namespace aquifer::redirect {

// Section 3, "Error": codes below 100 are the specification's.
enum class CniCode {
  kIncompatibleVersion = 1,
  kBadEnvironment = 4,
  kIoFailure = 5,
  kNotDecoded = 6,
  kBadConfiguration = 7,
  kTryAgainLater = 11,
};

struct CniError {
  CniCode code = CniCode::kTryAgainLater;
  std::string msg;
  std::string details;
};

template <class T>
using CniResult = Result<T, CniError>;

// Oldest first. Lists of plugins begin with 0.3.0.
inline constexpr std::array<std::string_view, 5> kCniVersions = {"0.3.0", "0.3.1", "0.4.0", "1.0.0",
                                                                 "1.1.0"};
inline constexpr std::string_view kNewestCniVersion = kCniVersions.back();

bool IsKnownCniVersion(std::string_view version);
// Both known.
bool IsAtLeast(std::string_view version, std::string_view least);

// The keys of our part of the configuration stand beside the members, in their order.
struct PluginSettings {
  std::string socket = std::string(kPluginSocket);  // socket
  std::chrono::seconds timeout{30};                 // timeoutSeconds
  bool fail_closed = true;                          // failClosed
  std::vector<std::string> excluded{};              // excludeNamespaces
};

struct CniConf {
  std::string version;
  // As it came, with its cniVersion.
  std::optional<OrderedJson> prev_result;
  PluginSettings settings;
};

// The refusal's field is the key.
Decoded<PluginSettings> ReadPluginSettings(const OrderedJson& conf);

CniResult<CniConf> ReadCniConf(std::string_view text);
// Of a configuration that may be broken, for the answer that says so: the newest if it says none
// that we know.
std::string AnswerVersion(std::string_view text);

// Of CNI_ARGS, as kubelet's runtimes set it. Empty where nothing is said.
struct CniArgs {
  std::string pod_namespace;  // K8S_POD_NAMESPACE
  std::string pod_name;       // K8S_POD_NAME
  std::string pod_uid;        // K8S_POD_UID
};

CniResult<CniArgs> ReadCniArgs(std::string_view text);

}  // namespace aquifer::redirect
