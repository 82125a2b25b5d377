// A control plane that does as it is told: each stream it takes follows the next script, message by
// message, so that a test can have it answer late, wrongly, in pieces or not at all. TLS on
// loopback. One thread: its Loop's.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "certs/channel.h"
#include "certs/tls_context.h"
#include "core/http/grpc.h"
#include "core/http/h2_connection.h"
#include "core/io/socket.h"
#include "core/rt/scope.h"
#include "mesh/proto/discovery.pb.h"

namespace aquifer::mesh::test {

struct Step {
  enum class Kind : std::uint8_t {
    kAwait,  // until `count` requests of the stream have come
    kSay,    // `bytes` as a gRPC message
    kRaw,    // `bytes` as they are
    kEnd,    // trailers with `status`
    kReset,  // RST_STREAM
    kClose,  // the whole connection, with RST
  };
  Kind kind = Kind::kAwait;
  std::size_t count = 0;
  std::string bytes;
  http::GrpcStatus status;
};

inline Step Await(std::size_t count) { return {.count = count}; }
inline Step Say(std::string message) {
  return {.kind = Step::Kind::kSay, .bytes = std::move(message)};
}
inline Step Say(const google::protobuf::Message& message) {
  return Say(message.SerializeAsString());
}
inline Step Raw(std::string bytes) { return {.kind = Step::Kind::kRaw, .bytes = std::move(bytes)}; }
inline Step End(http::GrpcStatus status = {}) {
  return {.kind = Step::Kind::kEnd, .status = std::move(status)};
}
inline Step Reset() { return {.kind = Step::Kind::kReset}; }
inline Step Close() { return {.kind = Step::Kind::kClose}; }

class ScriptedPlane {
 public:
  using Request = envoy::service::discovery::v3::DeltaDiscoveryRequest;
  using Script = std::vector<Step>;

  // Streams beyond the scripts are taken and never answered. `changed` is woken by every request.
  ScriptedPlane(std::vector<Script> scripts, Event& changed);

  // How a client reaches it.
  certs::ChannelOptions Options() const;
  Task<void> End();

  // Requests of each stream, in the order of the streams.
  const std::deque<std::vector<Request>>& heard() const { return heard_; }
  // Stops listening; what is connected stays.
  void Deafen() { accepting_.RequestStop(); }

 private:
  Task<void> AcceptLoop();
  Task<void> Serve(io::SocketPtr socket);
  Task<void> ServeStream(http::H2StreamPtr stream, StopSource& connection);
  Task<void> Hear(http::H2Stream& stream, std::vector<Request>& requests, StopToken stop);
  Task<bool> Perform(const Step& step, http::H2Stream& stream, const std::vector<Request>& requests,
                     StopSource& connection);

  std::vector<Script> scripts_;
  Event& changed_;
  StopSource stop_;
  StopSource accepting_;
  std::unique_ptr<io::Listener> listener_;
  Address address_;
  certs::TlsContextRef context_;
  std::deque<std::vector<Request>> heard_;
  Scope tasks_;
};

}  // namespace aquifer::mesh::test
