#include "core/http/h2_session.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/base/check.h"

namespace aquifer::http {
namespace {

constexpr std::size_t kCoalesceBytes =
    4096;  // control frames and small DATA share blocks of this size
constexpr std::size_t kMaxDataFrameBytes =
    64 * 1024;  // so that one stream's frame does not hold up the others for long
constexpr std::uint32_t kCrumbBytes =
    1024;  // a window update below this is worth less than it costs
constexpr std::size_t kWastedHeaderUnit =
    4096;  // bytes of decoded fields beyond the limits that cost one unit
constexpr std::size_t kUnknownFrameUnit =
    4096;  // payload bytes of unknown frames that cost another one
constexpr std::uint8_t kLastKnownFrame = 0x9;  // CONTINUATION
constexpr int kStrayFrames =
    2;  // window updates and ends that an honest peer sends before it hears of a stream's end
// A window that is used up faster than this holds its stream back on any path we know.
constexpr std::chrono::milliseconds kFastWindow(200);

nghttp2_nv Field(std::string_view name, std::string_view value) {
  return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(),
          value.size(), NGHTTP2_NV_FLAG_NONE};
}

void AddFields(std::vector<nghttp2_nv>& fields, const HeaderList& headers) {
  for (const HeaderField field : headers) fields.push_back(Field(field.name, field.value));
}

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
  static int BeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    H2Session& self = *Self(user);
    const std::int32_t id = frame->hd.stream_id;
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
      self.WasteHeader(name_length + value_length);
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
    return 0;
  }

  static int FrameSent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    H2Session& self = *Self(user);
    const std::int32_t id = frame->hd.stream_id;
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
      // Resets that the peer provoked by breaking rules are its work; those for what happened
      // upstream are not.
      if (IsPeersFault(frame->rst_stream.error_code)) self.Spend(2);
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
        if (frame->hd.length <= frame->data.padlen &&
            (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
          self.Spend(1);
        break;
      case NGHTTP2_RST_STREAM:
        if (stream == nullptr || !stream->carried_bytes) self.Spend(1);
        break;
      case NGHTTP2_WINDOW_UPDATE:
        --self.swallowed_;
        if (static_cast<std::uint32_t>(frame->window_update.window_size_increment) < kCrumbBytes)
          self.Spend(1);
        break;
      case NGHTTP2_GOAWAY:
        self.going_away_ = true;
        self.events_.OnGoAway(frame->goaway.last_stream_id, frame->goaway.error_code);
        break;
      case NGHTTP2_SETTINGS:
      case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
          self.Spend(2);
        else if (frame->hd.type == NGHTTP2_PING && self.draining_)
          self.FinishDrain();
        break;
      default:
        self.Spend(1);
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
    static_cast<void>(nghttp2_session_consume_connection(session, length));
    Stream* const stream = self.Find(id);
    if (stream == nullptr) return 0;
    stream->carried_bytes = true;
    stream->unread += length;
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
    // A stream that was good for something pays for the stray frames that may follow it.
    if (found->second->carried_bytes)
      self.budget_ = std::min<double>(self.settings_.glitch_budget, self.budget_ + kStrayFrames);
    self.streams_.erase(found);
    self.events_.OnClosed(id, code);
    return 0;
  }

  static ssize_t ReadData(nghttp2_session* session, std::int32_t id, std::uint8_t*,
                          std::size_t length, std::uint32_t* flags, nghttp2_data_source*,
                          void* user) {
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
        std::vector<nghttp2_nv> fields;
        AddFields(fields, *stream->trailers);
        static_cast<void>(nghttp2_submit_trailer(session, id, fields.data(), fields.size()));
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

H2Session::H2Session(H2Role role, const H2Settings& settings, H2Events& events)
    : role_(role),
      settings_(settings),
      events_(events),
      budget_(settings.glitch_budget),
      growth_left_(settings.window_growth_bytes),
      walk_(role == H2Role::kServer ? NGHTTP2_CLIENT_MAGIC_LEN : 0) {
  nghttp2_session_callbacks* callbacks = nullptr;
  AQ_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
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
  const int made = role == H2Role::kServer
                       ? nghttp2_session_server_new2(&session_, callbacks, this, options)
                       : nghttp2_session_client_new2(&session_, callbacks, this, options);
  AQ_CHECK(made == 0);
  nghttp2_option_del(options);
  nghttp2_session_callbacks_del(callbacks);

  std::vector<nghttp2_settings_entry> entries = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, settings.stream_window_bytes},
      {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, settings.max_frame_bytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, settings.header_limits.max_bytes},
  };
  if (role == H2Role::kServer)
    entries.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, settings.max_concurrent_streams});
  if (role == H2Role::kClient) entries.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  AQ_CHECK(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries.data(), entries.size()) ==
           0);
  AQ_CHECK(nghttp2_session_set_local_window_size(
               session_, NGHTTP2_FLAG_NONE, 0,
               static_cast<std::int32_t>(settings.connection_window_bytes)) == 0);
}

H2Session::~H2Session() { nghttp2_session_del(session_); }

Status H2Session::Feed(Chunk input, TimePoint now) {
  Refill(now);
  input_ = std::move(input);
  CountEmptyFrames(input_.bytes());
  if (calm_) input_ = Chunk();
  const ssize_t read = nghttp2_session_mem_recv(session_, input_.data(), input_.size());
  const bool all = read == static_cast<ssize_t>(input_.size());
  input_ = Chunk();
  if (swallowed_ > 1) Spend(static_cast<std::uint32_t>(std::exchange(swallowed_, 1) - 1));
  if (calm_) {
    static_cast<void>(nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM));
    return Error{Reason::kOverload};
  }
  if (read < 0) {
    static_cast<void>(nghttp2_session_terminate_session(session_, NGHTTP2_PROTOCOL_ERROR));
    // Its own count of answers that nobody reads may be full before our budget is empty.
    return Error{read == NGHTTP2_ERR_FLOODED ? Reason::kOverload : Reason::kHttpFailed};
  }
  return all ? Status() : Status(Error{Reason::kHttpFailed});
}

std::vector<Chunk> H2Session::TakeOutput(std::size_t limit_bytes) {
  output_limit_ = limit_bytes;
  output_bytes_ = 0;
  while (output_bytes_ < output_limit_) {
    const std::uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &data);
    if (size <= 0) break;
    Append(Bytes(data, static_cast<std::size_t>(size)));
  }
  return std::move(output_);
}

Result<std::int32_t> H2Session::Request(const RequestHead& head, EndStream end) {
  AQ_DCHECK(role_ == H2Role::kClient);
  if (going_away_ || nghttp2_session_check_request_allowed(session_) == 0)
    return Error{Reason::kGoAway};
  if (available_streams() == 0) return Error{Reason::kOverload};
  std::vector<nghttp2_nv> fields = {Field(":method", head.method)};
  if (!head.scheme.empty()) fields.push_back(Field(":scheme", head.scheme));
  if (!head.authority.empty()) fields.push_back(Field(":authority", head.authority));
  if (!head.path.empty()) fields.push_back(Field(":path", head.path));
  AddFields(fields, head.headers);
  const nghttp2_data_provider provider = Provider();
  const std::int32_t id =
      nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(),
                             end == EndStream::kYes ? nullptr : &provider, nullptr);
  if (id < 0) return Error{Reason::kGoAway};  // stream ids are used up
  auto stream = NewStream();
  stream->out_ended = end == EndStream::kYes;
  streams_[id] = std::move(stream);
  return id;
}

Status H2Session::Respond(std::int32_t id, const ResponseHead& head, EndStream end) {
  Stream* const stream = Find(id);
  if (stream == nullptr) return Error{Reason::kPeerReset};
  const std::string status = std::to_string(head.status);
  std::vector<nghttp2_nv> fields = {Field(":status", status)};
  AddFields(fields, head.headers);
  if (head.status < 200) {
    const int sent = nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, id, nullptr, fields.data(),
                                            fields.size(), nullptr);
    return sent < 0 ? Status(Error{Reason::kHttpFailed}) : Status();
  }
  const nghttp2_data_provider provider = Provider();
  if (end == EndStream::kYes) stream->out_ended = true;
  const int sent = nghttp2_submit_response(session_, id, fields.data(), fields.size(),
                                           end == EndStream::kYes ? nullptr : &provider);
  return sent == 0 ? Status() : Status(Error{Reason::kHttpFailed});
}

void H2Session::Send(std::int32_t id, Chunk data) {
  Stream* const stream = Find(id);
  if (stream == nullptr || stream->out_ended || data.empty()) return;
  stream->carried_bytes = true;
  stream->out.Push(std::move(data));
  Resume(id, *stream);
}

void H2Session::End(std::int32_t id) { EndWithTrailers(id, HeaderList()); }

void H2Session::EndWithTrailers(std::int32_t id, HeaderList trailers) {
  Stream* const stream = Find(id);
  if (stream == nullptr || stream->out_ended) return;
  stream->out_ended = true;
  if (!trailers.empty()) stream->trailers = std::make_unique<HeaderList>(std::move(trailers));
  Resume(id, *stream);
}

std::size_t H2Session::Queued(std::int32_t id) const {
  const Stream* const stream = Find(id);
  return stream == nullptr ? 0 : stream->out.bytes();
}

void H2Session::Consume(std::int32_t id, std::size_t bytes, TimePoint now) {
  Stream* const stream = Find(id);
  if (stream == nullptr) return;
  stream->unread -= std::min(bytes, stream->unread);
  stream->consumed += bytes;
  if (stream->consumed >= stream->window / 2) GrowWindow(id, *stream, now);
  static_cast<void>(nghttp2_session_consume_stream(session_, id, bytes));
}

void H2Session::Reset(std::int32_t id, std::uint32_t error_code) {
  static_cast<void>(nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, error_code));
}

void H2Session::Ping() {
  static_cast<void>(nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr));
}

void H2Session::ResetAfterOutput(std::int32_t id, std::uint32_t error_code) {
  Stream* const stream = Find(id);
  if (stream == nullptr) return;
  stream->reset_after_output = true;
  stream->reset_code = error_code;
  // A reset overtakes what is queued, the response's head included: only when our END_STREAM has
  // gone out is it time.
  if (stream->end_sent) Reset(id, error_code);
}

void H2Session::Drain() {
  if (role_ == H2Role::kClient) return FinishDrain();
  draining_ = true;
  static_cast<void>(nghttp2_submit_shutdown_notice(session_));
  Ping();
}

void H2Session::FinishDrain() {
  draining_ = false;
  const std::int32_t last = nghttp2_session_get_last_proc_stream_id(session_);
  static_cast<void>(
      nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, nullptr, 0));
}

std::size_t H2Session::available_streams() const {
  if (going_away_ || nghttp2_session_check_request_allowed(session_) == 0) return 0;
  // Before the peer's SETTINGS nghttp2 assumes no limit; 100 is the least that RFC 9113
  // section 6.5.2 recommends.
  constexpr std::uint32_t kAssumed = 100;
  const std::uint32_t remote =
      nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  const std::size_t limit = remote == 0xffffffffU ? kAssumed : remote;
  return limit > streams_.size() ? limit - streams_.size() : 0;
}

H2Session::Stream* H2Session::Find(std::int32_t id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.get();
}

const H2Session::Stream* H2Session::Find(std::int32_t id) const {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.get();
}

void H2Session::Resume(std::int32_t id, Stream& stream) {
  if (!stream.deferred) return;
  stream.deferred = false;
  static_cast<void>(nghttp2_session_resume_data(session_, id));
}

nghttp2_data_provider H2Session::Provider() {
  nghttp2_data_provider provider{};
  provider.read_callback = &Callbacks::ReadData;
  return provider;
}

bool H2Session::Spend(std::uint32_t units) {
  budget_ -= units;
  if (budget_ < 0) calm_ = true;
  return !calm_;
}

void H2Session::Refill(TimePoint now) {
  if (refilled_ != TimePoint{} && now > refilled_) {
    const double seconds = std::chrono::duration<double>(now - refilled_).count();
    budget_ = std::min<double>(settings_.glitch_budget,
                               budget_ + seconds * settings_.glitch_refill_per_second);
  }
  refilled_ = now;
}

// Small pieces share a block; it keeps headroom for nothing, being ours alone.
void H2Session::Append(Bytes bytes) {
  output_bytes_ += bytes.size();
  while (!bytes.empty()) {
    if (output_.empty() || output_.back().writable().empty())
      output_.push_back(Chunk::Allocate(kCoalesceBytes - Block::kHeadroom));
    Chunk& last = output_.back();
    const std::size_t fits = std::min(last.writable().size(), bytes.size());
    last.Append(bytes.first(fits));
    bytes = bytes.subspan(fits);
  }
}

void H2Session::AppendData(Bytes frame_header, Stream& stream, std::size_t length) {
  bool header_due = true;
  while (length > 0) {
    Chunk piece = stream.out.PopUpTo(length);
    length -= piece.size();
    const bool small = piece.size() <= kCoalesceBytes / 4;
    if (header_due && (small || !piece.Prepend(frame_header))) Append(frame_header);
    header_due = false;
    if (small) {
      Append(piece.bytes());
    } else {
      output_bytes_ += piece.size();
      output_.push_back(std::move(piece));
    }
  }
  if (header_due) Append(frame_header);
}

void H2Session::DeliverHead(std::int32_t id, const nghttp2_frame& frame) {
  const EndStream end =
      (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 ? EndStream::kYes : EndStream::kNo;
  if (frame.headers.cat == NGHTTP2_HCAT_REQUEST) return DeliverRequest(id, end);
  if (head_.refused != HeaderError::kNone) {
    Spend(1);
    return Reset(id, NGHTTP2_PROTOCOL_ERROR);
  }
  if (role_ == H2Role::kClient && head_.response.status != 0) {
    if (head_.response.status < 200) {  // informational: the final head follows
      Spend(1);
      return;
    }
    head_.response.headers = std::move(head_.fields);
    return events_.OnResponse(id, std::move(head_.response), end);
  }
  events_.OnTrailers(id, std::move(head_.fields));
}

// What HTTP/1 would not take as a request is none here either: the rules behind this point know one
// kind of request.
void H2Session::DeliverRequest(std::int32_t id, EndStream end) {
  RequestHead& request = head_.request;
  if (head_.refused == HeaderError::kTooManyFields || head_.refused == HeaderError::kTooManyBytes)
    return Refuse(id, 431, end, "more or longer header fields than are taken");
  const std::optional<std::string_view> host = head_.fields.Get("host");
  if (host && request.authority.empty()) request.authority = *host;
  const bool two_hosts =
      host && (head_.fields.Count("host") > 1 || !EqualsIgnoreCase(*host, request.authority));
  const bool bad_authority = !request.authority.empty() && !IsAuthority(request.authority);
  const bool bad_path = request.method != "CONNECT" && !IsRequestTarget(request.path);
  if (head_.refused != HeaderError::kNone || two_hosts || bad_authority || bad_path)
    return Refuse(id, 400, end,
                  two_hosts       ? "host differs from :authority, or is there twice"
                  : bad_authority ? ":authority is none"
                  : bad_path      ? ":path is no request target"
                                  : "a header field that HTTP does not allow");
  head_.fields.Remove("host");
  // Crumbs of a cookie are one field everywhere else (RFC 9113 section 8.2.3).
  if (head_.fields.Count("cookie") > 1)
    head_.fields.Set("cookie", *head_.fields.GetJoined("cookie"));
  request.headers = std::move(head_.fields);
  events_.OnRequest(id, std::move(request), end);
}

// Answers a request that nobody gets to see.
void H2Session::Refuse(std::int32_t id, int status, EndStream end, std::string_view why) {
  Spend(1);
  events_.OnRefused(id, why);
  ResponseHead head;
  head.status = status;
  static_cast<void>(Respond(id, head, EndStream::kYes));
  if (end == EndStream::kNo) ResetAfterOutput(id, NGHTTP2_NO_ERROR);
}

void H2Session::TellRefused(const nghttp2_frame& frame, std::string_view why) {
  const bool is_request =
      frame.hd.type == NGHTTP2_HEADERS && frame.headers.cat == NGHTTP2_HCAT_REQUEST;
  if (role_ != H2Role::kServer || !is_request || Find(frame.hd.stream_id) == nullptr) return;
  if (!std::exchange(head_.refusal_told, true)) events_.OnRefused(frame.hd.stream_id, why);
}

// Fields that are decoded only to keep the compression state: a few bytes on the wire can be
// megabytes of them.
void H2Session::WasteHeader(std::size_t bytes) {
  constexpr std::size_t kFieldOverhead = 32;
  wasted_header_bytes_ += bytes + kFieldOverhead;
  Spend(static_cast<std::uint32_t>(wasted_header_bytes_ / kWastedHeaderUnit));
  wasted_header_bytes_ %= kWastedHeaderUnit;
}

// nghttp2 passes over unknown frames, and over frames for streams that are gone, without a word.
// The first are paid for here; of the second, those that carry nothing are counted here and counted
// back when they are heard of after all. One may still be on its way.
void H2Session::CountEmptyFrames(Bytes input) {
  walk_.Walk(input, [this](std::uint8_t type, std::size_t length) {
    if (type > kLastKnownFrame) Spend(1 + static_cast<std::uint32_t>(length / kUnknownFrameUnit));
    if (type == NGHTTP2_WINDOW_UPDATE || (type == NGHTTP2_DATA && length == 0)) ++swallowed_;
  });
}

// Half a window has been read. If that took little time and little is left unread, the window and
// not the reader is the brake.
void H2Session::GrowWindow(std::int32_t id, Stream& stream, TimePoint now) {
  const bool fast = now - stream.window_since < kFastWindow && stream.unread <= stream.window / 4;
  stream.consumed = 0;
  stream.window_since = now;
  const std::size_t limit = std::max<std::size_t>(settings_.max_stream_window_bytes, stream.window);
  const std::size_t more = std::min({stream.window, limit - stream.window, growth_left_});
  if (!fast || more == 0) return;
  const auto grown = static_cast<std::int32_t>(stream.window + more);
  if (nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, id, grown) != 0) return;
  stream.window += more;
  growth_left_ -= more;
}

std::unique_ptr<H2Session::Stream> H2Session::NewStream() const {
  auto stream = std::make_unique<Stream>();
  stream->window = settings_.stream_window_bytes;
  stream->window_since = refilled_;
  return stream;
}

}  // namespace aquifer::http
