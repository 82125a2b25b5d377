// What nghttp2 calls while it is fed or asked for output, and how its session is made. All of it
// belongs to H2Session.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "core/base/check.h"
#include "core/http/h2_session.h"

namespace aquifer::http {
namespace {

constexpr std::size_t kMaxDataFrameBytes =
    64 * 1024;  // so that one stream's frame does not hold up the others for long
constexpr std::size_t kWholeFrame = 1024;  // a DATA frame that is worth its acknowledgement

H2Session* Self(void* user) { return static_cast<H2Session*>(user); }

bool IsPeersFault(std::uint32_t error_code) {
  return error_code == NGHTTP2_PROTOCOL_ERROR || error_code == NGHTTP2_FLOW_CONTROL_ERROR ||
         error_code == NGHTTP2_STREAM_CLOSED || error_code == NGHTTP2_FRAME_SIZE_ERROR ||
         error_code == NGHTTP2_REFUSED_STREAM;
}

std::string_view View(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace

struct H2Session::Callbacks {
  // Comes before nghttp2 has decided whether it tells of the frame or passes over it.
  static int BeginFrame(nghttp2_session*, const nghttp2_frame_hd* header, void* user) {
    if (header->type == NGHTTP2_HEADERS) Self(user)->budget_.OnHeaderBlock(header->length);
    return 0;
  }

  static int BeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    H2Session& self = *Self(user);
    const std::int32_t id = frame->hd.stream_id;
    self.budget_.OnHeadHeard();
    if (self.role_ == H2Role::kServer && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      self.streams_[id] = self.NewStream();
    }
    self.head_ = Head{.request = {},
                      .response = {},
                      .fields = HeaderList(self.settings_.header_limits),
                      .refused = HeaderError::kNone,
                      .refusal_told = false};
    return 0;
  }

  static int Header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                    std::size_t name_length, const std::uint8_t* value, std::size_t value_length,
                    std::uint8_t, void* user) {
    H2Session& self = *Self(user);
    Head& head = self.head_;
    if (self.Find(frame->hd.stream_id) == nullptr || head.refused != HeaderError::kNone) {
      self.budget_.OnWastedField(name_length + value_length);
      return 0;
    }
    const std::string_view n = View(name, name_length);
    const std::string_view v = View(value, value_length);
    if (n == ":method")
      head.request.method = v;
    else if (n == ":scheme")
      head.request.scheme = v;
    else if (n == ":authority")
      head.request.authority = v;
    else if (n == ":path")
      head.request.path = v;
    else if (n == ":status")
      head.response.status = std::atoi(std::string(v).c_str());
    else
      head.refused = head.fields.TryAdd(n, v);
    return 0;
  }

  // nghttp2 would leave such a field out and go on; a message with one is malformed (RFC 9113
  // section 8.2.1).
  static int InvalidHeader(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t*,
                           std::size_t, const std::uint8_t*, std::size_t, std::uint8_t,
                           void* user) {
    Self(user)->TellRefused(*frame, "a header field that HTTP does not allow");
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  // What nghttp2 resets a stream or ends the connection for.
  static int InvalidFrame(nghttp2_session*, const nghttp2_frame* frame, int error, void* user) {
    Self(user)->TellRefused(*frame, nghttp2_strerror(error));
    Self(user)->budget_.OnFault();
    return 0;
  }

  static int FrameSent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    H2Session& self = *Self(user);
    const std::int32_t id = frame->hd.stream_id;
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
      // Resets that the peer provoked by breaking rules are its work; those for what happened
      // upstream are not.
      if (IsPeersFault(frame->rst_stream.error_code))
        self.budget_.OnFaultAnswered();
      else if (Stream* const ours = self.Find(id))
        ours->served = true;
      return 0;
    }
    // nghttp2 takes it upon itself to end the connection, and calls the bytes that did it read.
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
      self.broken_ = true;
    const bool ends = (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
                      (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    Stream* const stream = ends ? self.Find(id) : nullptr;
    if (stream == nullptr) return 0;
    stream->end_sent = true;
    if (stream->reset_after_output && !stream->peer_ended) self.Reset(id, stream->reset_code);
    return 0;
  }

  static int FrameReceived(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    H2Session& self = *Self(user);
    const std::int32_t id = frame->hd.stream_id;
    Stream* const stream = self.Find(id);
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        if (stream != nullptr) self.DeliverHead(id, *frame);
        break;
      case NGHTTP2_DATA:
        if (frame->hd.length == 0) --self.swallowed_;
        if (frame->hd.length > frame->data.padlen)
          self.budget_.OnPayload();
        else if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
          self.budget_.Spend(1);
        break;
      case NGHTTP2_RST_STREAM:
        self.PayForReset(stream);
        break;
      case NGHTTP2_WINDOW_UPDATE:
        --self.swallowed_;
        self.budget_.OnWindowUpdate(
            static_cast<std::uint32_t>(frame->window_update.window_size_increment));
        break;
      case NGHTTP2_GOAWAY:
        self.going_away_ = true;
        self.events_.OnGoAway(frame->goaway.last_stream_id, frame->goaway.error_code);
        break;
      case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) self.budget_.Spend(2);
        break;
      case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
          self.budget_.OnPing();
        else if (self.draining_)
          self.FinishDrain();
        break;
      default:
        self.budget_.Spend(1);
        break;
    }
    const bool ends = (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
                      (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (ends && stream != nullptr && !stream->peer_ended) {
      stream->peer_ended = true;
      self.events_.OnEnd(id);
    }
    return 0;
  }

  static int Data(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                  std::size_t length, void* user) {
    H2Session& self = *Self(user);
    Stream* const stream = self.Find(id);
    if (stream == nullptr) {
      static_cast<void>(nghttp2_session_consume_connection(session, length));
      return 0;
    }
    self.Receive(*stream, length);
    AQ_CHECK(data >= self.input_.data() &&
             data + length <= self.input_.data() + self.input_.size());
    self.events_.OnData(
        id, self.input_.Slice(static_cast<std::size_t>(data - self.input_.data()), length));
    return 0;
  }

  static int StreamClosed(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
    H2Session& self = *Self(user);
    const auto found = self.streams_.find(id);
    if (found == self.streams_.end()) return 0;
    self.growth_left_ += found->second->window - self.settings_.stream_window_bytes;
    self.budget_.GiveBack(self.StrayFrames(*found->second));
    self.Drop(*found->second);
    self.streams_.erase(found);
    self.events_.OnClosed(id, code);
    return 0;
  }

  static ssize_t ReadData(nghttp2_session*, std::int32_t id, std::uint8_t*, std::size_t length,
                          std::uint32_t* flags, nghttp2_data_source*, void* user) {
    H2Session& self = *Self(user);
    Stream* const stream = self.Find(id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (stream->out.empty() && !stream->out_ended) {
      stream->deferred = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    const std::size_t taken = std::min(length, stream->out.bytes());
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (taken == stream->out.bytes() && stream->out_ended) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (stream->trailers) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        self.SubmitTrailers(id, *stream->trailers);
      }
    }
    return static_cast<ssize_t>(taken);
  }

  static int SendData(nghttp2_session*, nghttp2_frame* frame, const std::uint8_t* header,
                      std::size_t length, nghttp2_data_source*, void* user) {
    H2Session& self = *Self(user);
    if (self.output_bytes_ >= self.output_limit_) return NGHTTP2_ERR_WOULDBLOCK;
    Stream* const stream = self.Find(frame->hd.stream_id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    self.AppendData(Bytes(header, 9), *stream, length);
    // A small frame that the peer's window cut off earns nothing: tiny windows would pay for
    // themselves.
    if (length >= kWholeFrame || (length > 0 && stream->out.empty())) self.budget_.OnPayload();
    self.events_.OnTaken(frame->hd.stream_id);
    return 0;
  }

  // nghttp2 makes its buffer as large as the answer, though it never fills it: no more than there
  // is to send.
  static ssize_t DataLength(nghttp2_session*, std::uint8_t, std::int32_t id,
                            std::int32_t session_window, std::int32_t stream_window,
                            std::uint32_t remote_max_frame, void* user) {
    return static_cast<ssize_t>(
        std::min({static_cast<std::size_t>(std::max(session_window, 0)),
                  static_cast<std::size_t>(std::max(stream_window, 0)),
                  static_cast<std::size_t>(remote_max_frame), kMaxDataFrameBytes,
                  std::max<std::size_t>(Self(user)->Queued(id), 1)}));
  }
};

nghttp2_data_provider H2Session::Provider() {
  nghttp2_data_provider provider{};
  provider.read_callback = &Callbacks::ReadData;
  return provider;
}

nghttp2_session* H2Session::NewLibrarySession() {
  nghttp2_session_callbacks* callbacks = nullptr;
  AQ_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
  nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, &Callbacks::BeginFrame);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, &Callbacks::BeginHeaders);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, &Callbacks::Header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &Callbacks::FrameReceived);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, &Callbacks::FrameSent);
  nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, &Callbacks::InvalidHeader);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, &Callbacks::InvalidFrame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &Callbacks::Data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &Callbacks::StreamClosed);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, &Callbacks::SendData);
  nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, &Callbacks::DataLength);
  nghttp2_option* options = nullptr;
  AQ_CHECK(nghttp2_option_new(&options) == 0);
  nghttp2_option_set_no_auto_window_update(options, 1);
  nghttp2_option_set_no_closed_streams(options, 1);
  // nghttp2's own limit counts honest resets too: a tunnel with thousands of short streams would be
  // ended by it.
  constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 40;
  nghttp2_option_set_stream_reset_rate_limit(options, kNoLimit, kNoLimit);
  nghttp2_session* session = nullptr;
  const int made = role_ == H2Role::kServer
                       ? nghttp2_session_server_new2(&session, callbacks, this, options)
                       : nghttp2_session_client_new2(&session, callbacks, this, options);
  AQ_CHECK(made == 0);
  nghttp2_option_del(options);
  nghttp2_session_callbacks_del(callbacks);
  return session;
}

}  // namespace aquifer::http
