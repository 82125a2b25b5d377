// The stream to the control plane: connects, speaks delta xDS through XdsState, and connects again
// when it breaks, keeping what it holds. Serving goes on meanwhile with what was known. Control
// loop.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>

#include "certs/channel.h"
#include "core/rt/event.h"
#include "mesh/xds_state.h"

namespace aquifer::mesh {

// What the owner counts and logs.
class XdsObserver {
 public:
  virtual ~XdsObserver() = default;
  virtual void OnConnected() = 0;
  // `reason` as in istio_xds_connection_terminations: ConnectionError, Error, Reconnect, Complete.
  virtual void OnDisconnected(std::string_view reason, const std::string& detail) = 0;
  virtual void OnResponse(std::string_view type_url, std::size_t resources, std::size_t removed,
                          std::size_t bytes) = 0;
  virtual void OnRefused(std::string_view type_url, const Refusal& refusal) = 0;
  // The first response of every type has been taken.
  virtual void OnSynced() = 0;
};

struct XdsClientOptions {
  Clock::duration first_backoff = std::chrono::milliseconds(10);
  Clock::duration longest_backoff = std::chrono::seconds(15);
  std::size_t max_message_bytes = 200 * 1024 * 1024;
};

class XdsClient {
 public:
  // All references outlive the client.
  XdsClient(certs::Channel& channel, XdsState& state, XdsSink& sink, XdsObserver& observer,
            const XdsClientOptions& options = {})
      : channel_(channel), state_(state), sink_(sink), observer_(observer), options_(options) {}

  // Runs until `stop`.
  Task<void> Run(StopToken stop);

  // On demand, for who needs what is not known under this name: asks for it. Ok once the control
  // plane has answered, now or before as far as that still holds, that there is something or
  // nothing; what there is, is in the snapshot by then. kUnreadableResource when it cannot be read.
  Task<Status> Know(std::string name, StopToken stop);

 private:
  struct End {
    std::string_view reason;
    std::string detail;
    bool talked = false;  // the stream has brought a response
  };
  Task<End> RunStream(StopToken stop);
  Task<Status> Converse(http::GrpcCall& call, std::string& detail, StopToken stop);
  Task<Status> Hear(http::GrpcCall& call, std::string& detail, StopToken stop);
  Task<void> Tell(http::GrpcCall& call, StopSource& stream);

  certs::Channel& channel_;
  XdsState& state_;
  XdsSink& sink_;
  XdsObserver& observer_;
  XdsClientOptions options_;
  std::deque<std::string> to_send_;  // answers to responses
  Event due_;                        // something is to be sent
  Event sent_;                       // woken when to_send_ is empty
  Event answered_names_;             // woken by each response that had some
  bool synced_told_ = false;
  bool answered_ = false;  // the present stream has brought a response
};

}  // namespace aquifer::mesh
