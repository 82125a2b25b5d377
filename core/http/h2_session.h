// One HTTP/2 connection (RFC 9113) without a socket: bytes in, events and bytes out, nghttp2
// inside. Payload is never copied here: DATA that came in is handed on as slices of the input, DATA
// that goes out stays in the chunks it was given in, with its frame header put into their headroom.
//
// Flow control. The connection window is given back as soon as bytes have arrived, the stream
// window only as its reader takes them. So a stream whose reader stands still stops at its own
// window and its neighbours go on; what a peer can make us hold is bounded by streams times their
// first window plus what all windows together may grow by. Work that carries nothing (resets before
// an answer, empty frames, settings, pings, priorities, crumbs of window) is paid from a budget; a
// peer that overdraws it is told ENHANCE_YOUR_CALM. One thread, one owner.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/base/result.h"
#include "core/http/chunk_queue.h"
#include "core/http/h2_budget.h"
#include "core/http/h2_frame_walk.h"
#include "core/http/message.h"
#include "core/io/buffer_gauge.h"
#include "core/io/chunk.h"
#include "core/rt/timer_queue.h"

namespace aquifer::http {

enum class H2Role : std::uint8_t { kClient, kServer };

struct H2Settings {
  // What a stream may send before its reader has taken anything. The window of a stream whose
  // reader keeps pace doubles, as long as `window_growth_bytes` last for all streams of the
  // connection: a peer can make us hold streams times the first, plus the last.
  std::uint32_t stream_window_bytes = 256 * 1024;
  std::uint32_t max_stream_window_bytes = 4 * 1024 * 1024;
  std::uint32_t window_growth_bytes = 16 * 1024 * 1024;
  std::uint32_t connection_window_bytes = 16 * 1024 * 1024;
  std::uint32_t max_frame_bytes = 1024 * 1024;  // of frames we take
  std::uint32_t max_concurrent_streams = 200;   // that the peer may open
  HeaderLimits header_limits{.max_fields = 128, .max_bytes = 64 * 1024};
  std::uint32_t glitch_budget =
      4000;  // work units a peer may cause for nothing, refilled with time
  std::uint32_t glitch_refill_per_second = 400;
  // Counts what is held for either side; null: nobody does. While it is full the connection window
  // is given back only as readers take what has come, too, and no window grows.
  std::shared_ptr<io::BufferGauge> gauge;
};

enum class EndStream : std::uint8_t { kNo, kYes };

// What happens on the connection. Called while bytes are fed or output is taken; must not call back
// into the session except Consume, and must not resume a coroutine.
class H2Events {
 public:
  virtual void OnRequest(std::int32_t stream, RequestHead head, EndStream end) = 0;  // server
  virtual void OnResponse(std::int32_t stream, ResponseHead head,
                          EndStream end) = 0;  // client; final responses only
  virtual void OnData(std::int32_t stream, Chunk data) = 0;
  virtual void OnTrailers(std::int32_t stream, HeaderList trailers) = 0;
  virtual void OnEnd(std::int32_t stream) = 0;    // the peer ended its direction
  virtual void OnTaken(std::int32_t stream) = 0;  // queued output shrank
  // The stream is over for both sides; 0 when it ended well, else an error code of RFC 9113
  // section 7.
  virtual void OnClosed(std::int32_t stream, std::uint32_t error_code) = 0;
  // No new streams; those above `last_stream` were not processed and will be closed.
  virtual void OnGoAway(std::int32_t last_stream, std::uint32_t error_code) = 0;
  // A request that is none was answered or reset here; there will be no OnRequest. `why` is ours,
  // not the peer's words.
  virtual void OnRefused(std::int32_t /*stream*/, std::string_view /*why*/) {}

 protected:
  ~H2Events() = default;
};

class H2Session {
 public:
  H2Session(H2Role role, const H2Settings& settings, H2Events& events);
  H2Session(const H2Session&) = delete;
  H2Session& operator=(const H2Session&) = delete;
  ~H2Session();

  // Bytes from the peer. An error ends the connection; what TakeOutput then holds (a GOAWAY) may
  // still be sent.
  Status Feed(Chunk input, TimePoint now);
  // Up to about `limit_bytes` of what is due for the peer, in order.
  std::vector<Chunk> TakeOutput(std::size_t limit_bytes);
  bool WantsOutput() const { return nghttp2_session_want_write(session_) != 0; }
  // Nothing is left to say or to hear: after GOAWAY and the last stream, or after an error.
  bool finished() const { return nghttp2_session_want_read(session_) == 0 && !WantsOutput(); }

  // The peer broke the protocol, and we have told it so.
  bool broken() const { return broken_; }

  // Client: a new stream. kGoAway when the connection takes no more, kOverload when the peer allows
  // no more at present.
  Result<std::int32_t> Request(const RequestHead& head, EndStream end);
  // Server: the answer to a request.
  Status Respond(std::int32_t stream, const ResponseHead& head, EndStream end);
  // Queues output on an open stream; Queued says how much waits for the peer's windows.
  void Send(std::int32_t stream, Chunk data);
  void End(std::int32_t stream);
  void EndWithTrailers(std::int32_t stream, HeaderList trailers);
  std::size_t Queued(std::int32_t stream) const;
  // The reader took that many bytes of OnData: the peer may send as many again.
  void Consume(std::int32_t stream, std::size_t bytes, TimePoint now);
  void Reset(std::int32_t stream, std::uint32_t error_code);
  // Resets once our direction has been sent to its end; a RST_STREAM queued earlier would overtake
  // a response.
  void ResetAfterOutput(std::int32_t stream, std::uint32_t error_code);

  void Ping();
  // Tells the peer to open no more streams: first with the highest id, and when a PING has been
  // there and back, so that no request in flight is lost, with the last one taken (RFC 9113
  // section 6.8). Existing ones go on.
  void Drain();

  // Client: how many streams could be opened now.
  std::size_t available_streams() const;
  std::size_t open_streams() const { return streams_.size(); }
  // Whoever holds all these bytes is to hold no more than it must.
  bool crowded() const { return settings_.gauge != nullptr && settings_.gauge->full(); }
  bool going_away() const { return going_away_; }

 private:
  struct Stream {
    ChunkQueue out;
    bool out_ended = false;
    bool deferred = false;       // nghttp2 waits for us to resume the stream's data
    bool carried_bytes = false;  // either way
    bool served = false;         // answered, or ended of our own accord
    bool malformed = false;      // its request was none
    bool peer_ended = false;
    bool end_sent = false;
    bool reset_after_output = false;
    std::uint32_t reset_code = 0;
    std::unique_ptr<HeaderList> trailers;  // ours, to be sent
    // Flow control towards us.
    std::size_t window = 0;
    std::size_t unread = 0;    // handed on and not consumed
    std::size_t withheld = 0;  // of it: not given back to the connection's window either
    std::size_t consumed = 0;  // since the window was last given back
    TimePoint window_since{};
  };
  // The head being received. One a connection: the frames of a head follow each other (RFC 9113
  // section 4.3).
  struct Head {
    RequestHead request;
    ResponseHead response;
    HeaderList fields;
    HeaderError refused = HeaderError::kNone;
    bool refusal_told = false;
  };
  struct Callbacks;  // of nghttp2

  Stream* Find(std::int32_t id);
  const Stream* Find(std::int32_t id) const;
  void Resume(std::int32_t id, Stream& stream);
  void GiveBackWithheld();
  nghttp2_data_provider Provider();
  nghttp2_session* NewLibrarySession();
  void SubmitTrailers(std::int32_t id, const HeaderList& trailers);
  void PayForReset(const Stream* stream);
  std::uint32_t StrayFrames(const Stream& stream) const;
  void Append(Bytes bytes);
  void AppendData(Bytes frame_header, Stream& stream, std::size_t length);
  void FinishDrain();
  void DeliverHead(std::int32_t id, const nghttp2_frame& frame);
  void DeliverRequest(std::int32_t id, EndStream end);
  void Refuse(std::int32_t id, int status, EndStream end, std::string_view why);
  void TellRefused(const nghttp2_frame& frame, std::string_view why);
  void GrowWindow(std::int32_t id, Stream& stream, TimePoint now);
  void CountEmptyFrames(Bytes input);
  std::unique_ptr<Stream> NewStream() const;
  void Receive(Stream& stream, std::size_t bytes);
  void Hold(std::size_t bytes);
  void LetGo(std::size_t bytes);
  void Drop(const Stream& stream);

  H2Role role_;
  H2Settings settings_;
  H2Events& events_;
  nghttp2_session* session_ = nullptr;
  std::unordered_map<std::int32_t, std::unique_ptr<Stream>> streams_;
  std::size_t withheld_ = 0;     // of all streams
  bool window_is_whole_ = true;  // the connection's: as large as the settings say
  Head head_;
  Chunk input_;  // what Feed is working on: DATA is sliced out of it
  std::vector<Chunk> output_;
  std::size_t output_bytes_ = 0;
  std::size_t output_limit_ = 0;
  bool going_away_ = false;
  bool draining_ = false;
  bool broken_ = false;
  H2Budget budget_;
  int swallowed_ = 0;  // see CountEmptyFrames
  std::size_t growth_left_;
  std::size_t held_ = 0;  // counted on the gauge
  H2FrameWalk walk_;
};

}  // namespace aquifer::http
