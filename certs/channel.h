// A channel to a server that is known by host name (control plane, CA, API server): resolves,
// dials, checks the server's certificate against the roots of a file that is read anew each time,
// shows our own where we have one, and runs HTTP/2 over it, for gRPC or for plain requests.
// Connects when first needed and again after it broke; whoever calls decides when to try again.
// Control loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "certs/failure.h"
#include "certs/wall_clock.h"
#include "core/http/grpc_client.h"
#include "core/http/h2_connection.h"
#include "core/io/keepalive.h"
#include "core/rt/scope.h"

namespace aquifer::certs {

struct ChannelOptions {
  std::string address;    // host:port
  std::string host_name;  // what the certificate must say; empty: the host of `address`
  std::string roots;      // as RootsFrom (certs/text_source.h) takes it
  std::string token;      // as TokenFrom takes it
  // Ours, for a server that asks: PEM or a path, as RootsFrom takes it. Empty: we show none.
  std::string certificate;
  std::string key;                             // likewise
  std::map<std::string, std::string> headers;  // sent with each call
  std::string cluster_id;
  Clock::duration connect_timeout = std::chrono::seconds(5);
  // Beneath TLS, for streams that are silent for hours.
  io::KeepAlive keepalive{
      .time = std::chrono::seconds(300), .interval = std::chrono::seconds(75), .probes = 9};
  http::H2Options h2;
};

class Channel {
 public:
  Channel(ChannelOptions options, WallClock clock)
      : options_(std::move(options)), clock_(std::move(clock)) {}
  ~Channel();

  // A connection that takes calls: the one there is, or a new one. Valid until the next wait of the
  // caller at which it may end; calls on a connection that has ended fail.
  Task<Result<http::H2Connection*, Failure>> Connect(StopToken stop);
  // Authority, metadata and token (read anew) for a call of `path`.
  http::GrpcCallSpec CallSpec(std::string path) const;
  // Ends the connection there is; the next Connect dials. For one that takes no more calls and may
  // live on for long.
  void Drop();
  // Ends the connection; before destruction.
  Task<void> Shutdown();
  const std::string& address() const { return options_.address; }

 private:
  Task<Result<std::unique_ptr<http::H2Connection>, Failure>> Dial(StopToken stop);
  Task<void> Drive(http::H2Connection* connection);

  ChannelOptions options_;
  WallClock clock_;
  StopSource stop_;
  std::optional<StopSource> connection_stop_;  // of the one that was dialled last
  bool dropped_ = false;
  std::unique_ptr<http::H2Connection> connection_;
  bool dialling_ = false;
  Event dialled_;
  std::optional<Failure> dial_failure_;  // of the last dial, for those who waited for it
  Scope tasks_;
};

}  // namespace aquifer::certs
