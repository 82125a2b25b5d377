// HTTP/1.1 from a client: one request of a connection that may carry more. The connection belongs
// to waypoint/connection.h. One thread: its Loop's.
#pragma once

#include "core/http/h1_writer.h"
#include "waypoint/downstream.h"
#include "waypoint/h1_input.h"

namespace aquifer::waypoint {

class H1Downstream final : public Downstream {
 public:
  // Right after kHead. `stream` is taken over only by TakeTunnel.
  H1Downstream(io::StreamPtr& stream, H1Input& input);

  http::RequestHead TakeHead() override { return std::move(head_); }
  std::string_view protocol() const override {
    return input_.reader().minor_version() == 0 ? "HTTP/1.0" : "HTTP/1.1";
  }
  http::BodyLength body() const override { return input_.reader().body(); }
  bool asks_for_upgrade() const override { return input_.reader().asks_for_upgrade(); }
  StopToken gone() override { return gone_.token(); }
  Task<void> WatchClient(StopToken stop) override;

  Task<Status> Continue(StopToken stop) override;
  Task<Result<Chunk>> ReadBody(StopToken stop) override;
  const http::HeaderList& trailers() const override { return input_.reader().trailers(); }
  void AbandonBody() override {
    if (!request_read_ && body().kind != http::BodyKind::kNone) close_after_ = true;
  }
  Task<Status> Respond(http::ResponseHead head, http::BodyLength body, StopToken stop) override;
  Task<Status> WriteBody(Chunk chunk, StopToken stop) override;
  Task<Status> EndBody(http::HeaderList trailers, StopToken stop) override;
  void Abort() override { aborted_ = true; }
  io::StreamPtr TakeTunnel() override;

  // The request was read to its end, the response written to its, and both want the connection to
  // go on.
  bool can_go_on() const;
  bool aborted() const { return aborted_; }
  bool responded() const { return responded_; }
  bool tunnelled() const { return tunnelled_; }
  // The client has ended its direction or reset: nothing is to be read any more.
  bool client_left() const { return gone_.requested(); }
  // The next response is the connection's last.
  void CloseAfter() { close_after_ = true; }

 private:
  Task<Status> Flush(http::H1Writer::Out out, StopToken stop);

  io::StreamPtr& stream_;
  H1Input& input_;
  http::H1Writer writer_;
  http::RequestHead head_;
  std::string method_;
  StopSource gone_;
  bool request_read_ = false;
  bool responded_ = false;
  bool response_sent_ = false;
  bool aborted_ = false;
  bool tunnelled_ = false;
  bool close_after_ = false;
  bool continued_ = false;
};

}  // namespace aquifer::waypoint
