// Drives an H2Session over a Stream: one task reads, one writes, one watches that the peer is
// alive. The streams of the connection are H2Streams, which are io::Streams, so that whatever
// copies bytes does not know what carries them. A stream outlives its connection without harm: it
// then fails with the reason the connection ended for. One thread: its Loop's.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/http/h2_session.h"
#include "core/io/stream.h"
#include "core/rt/event.h"

namespace aquifer::http {

class H2Connection;

struct H2Options {
  H2Settings settings;
  // After that long without a byte from the peer a PING is sent; no byte for `ping_timeout` after
  // it ends the connection. Zero: never.
  Clock::duration ping_interval = std::chrono::seconds(10);
  Clock::duration ping_timeout = std::chrono::seconds(20);
  // What goes over the connection in so much time, both ways, when it carries bulk: more than many
  // small requests do, less than one stream that wants all there is.
  std::size_t bulk_bytes = std::size_t{2} * 1024 * 1024;
  Clock::duration bulk_span = std::chrono::milliseconds(100);
};

class H2Stream final : public io::Stream {
 public:
  ~H2Stream() override;

  std::int32_t id() const { return id_; }
  // Server: what the client asked for.
  const RequestHead& request() const { return *request_; }
  // The same for who keeps the stream longer than its head. Once; request() is void from then on.
  RequestHead TakeRequest();
  // Client: the final response's head. kConnectRejected and such are the caller's to judge.
  Task<Result<ResponseHead>> ReadHead(StopToken stop);
  // Nothing more comes from the peer and everything that came has been read; right after a head: it
  // has no body.
  bool at_end() const { return peer_ended_ && received_.empty(); }
  // Server: answers. With kYes nothing follows.
  Status Respond(const ResponseHead& head, EndStream end);

  Task<Result<Chunk>> Read(StopToken stop) override;
  Task<Status> Write(Chunk chunk, StopToken stop) override;
  Task<Status> ShutdownWrite(StopToken stop) override;
  Task<Status> WaitBroken(StopToken stop) override;
  // Ends our direction with trailers instead of a bare END_STREAM.
  Status ShutdownWithTrailers(HeaderList trailers);
  // Whatever trailers came before the end; complete once Read has returned the end.
  const HeaderList& trailers() const;
  // RST_STREAM (CANCEL) at destruction even if both directions look done.
  void Reset() override { reset_code_ = NGHTTP2_CANCEL; }
  void ResetWith(std::uint32_t error_code) { reset_code_ = error_code; }
  // Fires, with the reason, as soon as the peer resets the stream or the connection ends: for work
  // that is in vain from then on.
  StopToken gone() { return gone_.token(); }

 private:
  friend class H2Connection;
  H2Stream(H2Connection& connection, std::int32_t id);
  void Close(const Error& error);

  H2Connection* connection_;           // null once the stream is over for the connection
  std::shared_ptr<std::size_t> live_;  // H2Connection::live_, which a stream may outlive
  std::int32_t id_;
  bool is_server_ = false;
  // Heads and trailers are short-lived or rare, and a tunnel lives for hours.
  std::unique_ptr<RequestHead> request_;
  std::unique_ptr<ResponseHead> response_;
  ChunkQueue received_;
  std::unique_ptr<HeaderList> trailers_;
  bool peer_ended_ = false;
  bool ended_ = false;  // our direction
  std::uint32_t reset_code_ = NGHTTP2_NO_ERROR;
  Status broken_;  // why nothing more comes
  Event readable_;
  Event writable_;
  StopSource gone_;
};

using H2StreamPtr = std::unique_ptr<H2Stream>;

class H2Connection final : private H2Events {
 public:
  // Takes a request that arrived on a server connection. Called by the reading task: spawn and
  // return.
  using RequestHandler = std::function<void(H2StreamPtr)>;
  // Hears of a request that was refused before it became a stream, for log and metrics.
  using RefusalHandler = std::function<void(std::string_view why)>;

  // `handler` is for servers. `transport` ends with the connection.
  H2Connection(H2Role role, io::StreamPtr transport, const H2Options& options,
               RequestHandler handler = nullptr);
  ~H2Connection();

  // Server, before Run.
  void set_refusal_handler(RefusalHandler handler) { refusal_handler_ = std::move(handler); }

  // Drives the connection until it ends: ok when it ended in good order (GOAWAY, or the peer closed
  // with no stream open). Once only. `first` are bytes that were read before it was known that they
  // are HTTP/2.
  Task<Status> Run(StopToken stop, Chunk first = Chunk());

  // Client: opens a stream. kGoAway: take another connection; kOverload: the peer allows no more
  // streams at present.
  Result<H2StreamPtr> Open(const RequestHead& head, EndStream end);
  std::size_t available_streams() const { return ended_ ? 0 : session_.available_streams(); }
  std::size_t open_streams() const { return session_.open_streams(); }
  // So much goes over it, either way, that who comes with a small request had better take another.
  bool carries_bulk();

  // Server: GOAWAY. Streams that exist go on; Run returns when the last one has ended.
  void Drain();
  bool ended() const { return ended_; }
  io::Stream& transport() { return *transport_; }

 private:
  friend class H2Stream;

  void OnRequest(std::int32_t stream, RequestHead head, EndStream end) override;
  void OnResponse(std::int32_t stream, ResponseHead head, EndStream end) override;
  void OnData(std::int32_t stream, Chunk data) override;
  void OnTrailers(std::int32_t stream, HeaderList trailers) override;
  void OnEnd(std::int32_t stream) override;
  void OnTaken(std::int32_t stream) override;
  void OnClosed(std::int32_t stream, std::uint32_t error_code) override;
  void OnGoAway(std::int32_t last_stream, std::uint32_t error_code) override;
  void OnRefused(std::int32_t stream, std::string_view why) override;

  Task<void> ReadLoop(Chunk first, StopSource& both);
  Task<void> Farewell(StopSource& both);
  Task<void> WriteLoop(StopSource& both);
  Task<void> WatchLoop(StopSource& both);
  bool FeedAndDispatch(Chunk input);
  void Break(StopSource& both, const Error& error);
  H2Stream* Find(std::int32_t id);
  void Forget(H2Stream& stream);
  void OutputDue() { output_due_.Set(); }
  std::size_t QueueLimit() const;
  void CountTraffic(std::size_t bytes);

  H2Options options_;
  RequestHandler handler_;
  RefusalHandler refusal_handler_;
  io::StreamPtr transport_;
  H2Session session_;
  std::unordered_map<std::int32_t, H2Stream*> streams_;
  // H2Streams that exist, those that their peer has already reset included: their handlers still
  // have to notice.
  std::shared_ptr<std::size_t> live_ = std::make_shared<std::size_t>(0);
  std::vector<H2StreamPtr> arrived_;  // requests of the bytes just fed, to be handed on
  Event output_due_;
  TimePoint last_heard_{};
  TimePoint traffic_since_{};
  std::size_t traffic_ = 0;         // bytes of this span, both ways
  std::size_t traffic_before_ = 0;  // and of the one before
  std::size_t writing_bytes_ = 0;   // that the transport has not taken yet
  bool ended_ = false;
  bool drain_asked_ = false;
  bool peer_closed_ = false;  // the transport's end has been read
  Status end_;
};

}  // namespace aquifer::http
