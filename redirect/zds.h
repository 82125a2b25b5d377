// ZDS messages: bytes of one packet to values and back, for both sides of the socket between the
// node agent and the node proxy (redirect/proto/zds.proto). No socket and no state here: the order
// of messages is judged by redirect/zds_proxy.h and redirect/zds_agent.h. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/base/unique_fd.h"

namespace aquifer::redirect {

// Both sides read with a buffer of this size; a longer packet would arrive cut.
inline constexpr size_t kMaxZdsPacket = 1024;
// Descriptors accepted with one packet. One is the rule; room for a second one lets us see, and
// refuse, a packet that brings more.
inline constexpr size_t kMaxZdsDescriptors = 2;

struct PodInfo {
  std::string name;
  std::string ns;
  std::string service_account;

  friend bool operator==(const PodInfo&, const PodInfo&) = default;
};

struct AddPod {
  std::string uid;
  PodInfo info;
  UniqueFd netns;
};

struct KeepPod {
  std::string uid;
};

struct DelPod {
  std::string uid;
};

struct SnapshotSent {};

// Names become parts of a SPIFFE identity, so each must be a Kubernetes name and nothing more.
Result<void, Refusal> CheckPodInfo(const PodInfo& info);

using ZdsRequest = std::variant<AddPod, KeepPod, DelPod, SnapshotSent>;

// Refuses a packet that breaks the protocol: malformed, no or unknown payload, a missing or
// unprintable uid, an Add without workload_info or with other than one descriptor, any other
// request with one. Descriptors of a refused packet are closed. Names are not judged here
// (CheckPodInfo): one odd pod gets an error in its acknowledgement and costs the others nothing.
Decoded<ZdsRequest> DecodeRequest(Bytes packet, std::vector<UniqueFd> descriptors);
// The packet without its descriptor. Refuses what the other side would, or what does not fit.
Decoded<std::string> EncodeRequest(const ZdsRequest& request);

// The hello of version 1; any other version is refused, naming it.
Result<void, Refusal> DecodeHello(Bytes packet);
std::string EncodeHello();

// The error text of an acknowledgement, empty for success.
Decoded<std::string> DecodeAck(Bytes packet);
// A text that would not fit is cut.
std::string EncodeAck(std::string_view error);

// "add", "keep", "del" or "snapshot_sent", for logs.
std::string_view RequestWord(const ZdsRequest& request);

}  // namespace aquifer::redirect
