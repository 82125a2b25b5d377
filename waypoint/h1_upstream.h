// HTTP/1.1 to a backend: one connection that carries one request at a time and goes back to its
// keeper when it can carry another. One thread: its Loop's.
#pragma once

#include <functional>
#include <memory>

#include "core/http/h1_writer.h"
#include "core/rt/loop.h"
#include "waypoint/h1_input.h"
#include "waypoint/upstream_call.h"

namespace aquifer::waypoint {

struct H1Connection {
  explicit H1Connection(io::StreamPtr transport)
      : stream(std::move(transport)), input(*stream, http::H1Role::kClient) {}

  io::StreamPtr stream;
  H1Input input;
  http::H1Writer writer;
  TimePoint idle_since{};
  bool used = false;
};

using H1ConnectionPtr = std::unique_ptr<H1Connection>;

class H1Call final : public UpstreamCall {
 public:
  using GiveBack = std::function<void(H1ConnectionPtr)>;
  using Stale = std::function<void()>;

  // `give_back` gets the connection at the end of the call, if it is still good. `stale` hears at
  // once of one that had been kept and does not bring a response.
  H1Call(H1ConnectionPtr connection, GiveBack give_back, Stale stale);
  ~H1Call() override;

  Task<Status> SendHead(http::RequestHead head, http::BodyLength body, bool upgrade,
                        StopToken stop) override;
  Task<Status> WriteBody(Chunk chunk, StopToken stop) override;
  Task<Status> EndBody(http::HeaderList trailers, StopToken stop) override;
  Task<Result<http::ResponseHead>> ReadHead(StopToken stop) override;
  http::BodyLength body() const override { return connection_->input.reader().body(); }
  Task<Result<Chunk>> ReadBody(StopToken stop) override;
  http::HeaderList TakeTrailers() override { return connection_->input.reader().TakeTrailers(); }
  bool reused() const override { return reused_; }
  io::StreamPtr TakeTunnel() override;

 private:
  Task<Status> Flush(http::H1Writer::Out out, StopToken stop);
  Error Fail(const Error& error, StopToken stop);

  H1ConnectionPtr connection_;
  GiveBack give_back_;
  Stale stale_;
  bool reused_;
  bool request_sent_ = false;
  bool response_read_ = false;
};

}  // namespace aquifer::waypoint
