// What the CNI plugin and the node agent say to each other: one request and one answer a
// connection, each a JSON object in one packet. Bytes to values and back, for both ends; no socket
// and no state here. Members that are not known are passed over, so that a newer end may say more.
// Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace aquifer::redirect {

// Goes up when an older end would misunderstand what a newer one says.
inline constexpr int kPluginProtocol = 1;
inline constexpr size_t kMaxPluginPacket = 8 * 1024;
inline constexpr std::string_view kPluginSocket = "/var/run/aquifer-cni/plugin.sock";

enum class PluginCommand { kAdd, kDel, kCheck };

struct PluginRequest {
  PluginCommand command = PluginCommand::kAdd;
  std::string ns;
  std::string name;
  std::string uid;
  std::string netns;  // an absolute path; a Del may come without
  std::string container_id;

  friend bool operator==(const PluginRequest&, const PluginRequest&) = default;
};

struct PluginAnswer {
  bool enrolled = false;
  std::string error;  // empty for success

  friend bool operator==(const PluginAnswer&, const PluginAnswer&) = default;
};

// Refuses what the other end would.
Decoded<std::string> EncodePluginRequest(const PluginRequest& request);
// The names are those of Kubernetes; the refusal names the member that is wrong.
Decoded<PluginRequest> DecodePluginRequest(std::string_view packet);

// A long error is cut.
std::string EncodePluginAnswer(const PluginAnswer& answer);
Decoded<PluginAnswer> DecodePluginAnswer(std::string_view packet);

}  // namespace aquifer::redirect
