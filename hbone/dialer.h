// How a tunnel's TCP connection is made: where the socket lives (a pod's network namespace, our
// own) and which marks it carries is the business of whoever captures traffic, not of the tunnel.
// Used on one loop.
#pragma once

#include <memory>

#include "certs/tls_stream.h"
#include "core/base/address.h"
#include "core/io/buffer_gauge.h"
#include "core/io/socket.h"

namespace aquifer::hbone {

class Dialer {
 public:
  virtual ~Dialer() = default;
  // The stop carries the connect deadline; its reason is the error then.
  virtual Task<Result<io::SocketPtr>> Dial(Address to, StopToken stop) = 0;
  // What the connection's buffers are counted on; null: nothing.
  virtual std::shared_ptr<io::BufferGauge> gauge() { return nullptr; }
  // How its handshake takes turns with others.
  virtual certs::Pace pace() { return {}; }
};

// Dials from where the program itself runs.
class PlainDialer final : public Dialer {
 public:
  Task<Result<io::SocketPtr>> Dial(Address to, StopToken stop) override {
    return io::Connect(to, stop);
  }
};

}  // namespace aquifer::hbone
