#include "core/http/h2_session.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/base/check.h"

namespace aquifer::http {
namespace {

constexpr std::size_t kCoalesceBytes =
    4096;  // control frames and small DATA share blocks of this size
constexpr std::size_t kUnknownFrameUnit =
    4096;  // payload bytes of unknown frames that cost another one
constexpr std::uint8_t kLastKnownFrame = 0x9;  // CONTINUATION
// Frames that we owe a peer that reads nothing: so many beside a few for each stream.
constexpr std::size_t kMostOwed = 2048;
constexpr std::size_t kMostOwedForStream = 4;
// What an honest peer may have sent before it hears of a stream's end, in units: window updates and
// an end, and as answers to a request head and trailers.
constexpr std::uint32_t kStrayFrames = 2;
constexpr std::uint32_t kStrayAnswer = 8;
constexpr std::uint32_t kLeastWindow = 65'535;  // that a connection has (RFC 9113 section 6.9.2)
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

}  // namespace

H2Session::H2Session(H2Role role, const H2Settings& settings, H2Events& events)
    : role_(role),
      settings_(settings),
      events_(events),
      budget_(settings.glitch_budget, settings.glitch_refill_per_second),
      growth_left_(settings.window_growth_bytes),
      walk_(role == H2Role::kServer ? NGHTTP2_CLIENT_MAGIC_LEN : 0) {
  session_ = NewLibrarySession();
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
  // Who holds too much already gets no more ahead than one stream would.
  const std::uint32_t window = crowded()
                                   ? std::min(settings.connection_window_bytes,
                                              std::max(settings.stream_window_bytes, kLeastWindow))
                                   : settings.connection_window_bytes;
  window_is_whole_ = window == settings.connection_window_bytes;
  AQ_CHECK(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                                 static_cast<std::int32_t>(window)) == 0);
}

H2Session::~H2Session() {
  nghttp2_session_del(session_);
  LetGo(held_);
}

Status H2Session::Feed(Chunk input, TimePoint now) {
  budget_.Refill(now);
  GiveBackWithheld();
  input_ = std::move(input);
  CountEmptyFrames(input_.bytes());
  if (budget_.overdrawn()) input_ = Chunk();
  const ssize_t read = nghttp2_session_mem_recv(session_, input_.data(), input_.size());
  const bool all = read == static_cast<ssize_t>(input_.size());
  input_ = Chunk();
  if (swallowed_ > 1) budget_.Spend(static_cast<std::uint32_t>(std::exchange(swallowed_, 1) - 1));
  budget_.Settle();
  if (nghttp2_session_get_outbound_queue_size(session_) >
      kMostOwed + kMostOwedForStream * streams_.size())
    budget_.Empty();
  if (budget_.overdrawn()) {
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
  stream->served = true;
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
  Hold(data.size());
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
  const std::size_t read = std::min(bytes, stream->unread);
  stream->unread -= read;
  LetGo(read);
  if (const std::size_t back = std::min(bytes, stream->withheld); back > 0) {
    stream->withheld -= back;
    withheld_ -= back;
    static_cast<void>(nghttp2_session_consume_connection(session_, back));
  }
  if (stream->peer_ended) return;
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

void H2Session::SubmitTrailers(std::int32_t id, const HeaderList& trailers) {
  std::vector<nghttp2_nv> fields;
  AddFields(fields, trailers);
  static_cast<void>(nghttp2_submit_trailer(session_, id, fields.data(), fields.size()));
}

void H2Session::AppendData(Bytes frame_header, Stream& stream, std::size_t length) {
  bool header_due = true;
  while (length > 0) {
    Chunk piece = stream.out.PopUpTo(length);
    length -= piece.size();
    LetGo(piece.size());
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
    budget_.Spend(1);
    return Reset(id, NGHTTP2_PROTOCOL_ERROR);
  }
  if (role_ == H2Role::kClient && head_.response.status != 0) {
    if (head_.response.status < 200) {  // informational: the final head follows
      budget_.Spend(1);
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
  const bool bad_method = !IsMethod(request.method);
  const bool bad_path = request.method != "CONNECT" && !IsRequestTarget(request.path);
  if (head_.refused != HeaderError::kNone || two_hosts || bad_authority || bad_path || bad_method)
    return Refuse(id, 400, end,
                  two_hosts       ? "host differs from :authority, or is there twice"
                  : bad_authority ? ":authority is none"
                  : bad_path      ? ":path is no request target"
                  : bad_method    ? ":method is none that HTTP/1 has"
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
  budget_.Spend(1);
  if (Stream* const stream = Find(id)) stream->malformed = true;
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

// nghttp2 passes over unknown frames, and over frames for streams that are gone, without a word.
// The first are paid for here; of the second, those that carry nothing are counted here and counted
// back when they are heard of after all. One may still be on its way.
void H2Session::CountEmptyFrames(Bytes input) {
  walk_.Walk(input, [this](std::uint8_t type, std::size_t length) {
    if (type > kLastKnownFrame)
      budget_.Spend(1 + static_cast<std::uint32_t>(length / kUnknownFrameUnit));
    if (type == NGHTTP2_HEADERS) budget_.SeeHeaderBlock();
    if (type == NGHTTP2_CONTINUATION) budget_.SeeContinuation(length);
    if (type == NGHTTP2_WINDOW_UPDATE || (type == NGHTTP2_DATA && length == 0)) ++swallowed_;
  });
}

// A request that is taken back before anything came of it costs us more than the peer (rapid reset,
// CVE-2023-44487), with some bytes of a body or without. What was answered has been paid for with
// the request, and a server's reset of what we asked for is an answer.
void H2Session::PayForReset(const Stream* stream) {
  const bool good =
      stream != nullptr && (role_ == H2Role::kClient || (stream->served && !stream->malformed));
  if (!good) budget_.Spend(1);
}

// A stream that was good for something pays for the stray frames that may follow it.
std::uint32_t H2Session::StrayFrames(const Stream& stream) const {
  if (role_ == H2Role::kServer) return stream.served && !stream.malformed ? kStrayFrames : 0;
  if (stream.served) return kStrayAnswer;
  return stream.carried_bytes ? kStrayFrames : 0;
}

// Half a window has been read. If that took little time and little is left unread, the window and
// not the reader is the brake.
void H2Session::GrowWindow(std::int32_t id, Stream& stream, TimePoint now) {
  const bool fast = now - stream.window_since < kFastWindow && stream.unread <= stream.window / 4;
  stream.consumed = 0;
  stream.window_since = now;
  const std::size_t limit = std::max<std::size_t>(settings_.max_stream_window_bytes, stream.window);
  const std::size_t more = std::min({stream.window, limit - stream.window, growth_left_});
  if (!fast || more == 0 || crowded()) return;
  const auto grown = static_cast<std::int32_t>(stream.window + more);
  if (nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, id, grown) != 0) return;
  stream.window += more;
  growth_left_ -= more;
}

void H2Session::Receive(Stream& stream, std::size_t bytes) {
  stream.carried_bytes = true;
  stream.unread += bytes;
  Hold(bytes);
  if (!crowded()) {
    static_cast<void>(nghttp2_session_consume_connection(session_, bytes));
    return;
  }
  stream.withheld += bytes;
  withheld_ += bytes;
}

// What was withheld while there was no room, or was never given, once there is some.
void H2Session::GiveBackWithheld() {
  if ((withheld_ == 0 && window_is_whole_) || crowded()) return;
  if (!window_is_whole_) {
    const auto whole = static_cast<std::int32_t>(settings_.connection_window_bytes);
    static_cast<void>(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, whole));
    window_is_whole_ = true;
  }
  for (auto& [id, stream] : streams_) {
    if (stream->withheld == 0) continue;
    static_cast<void>(nghttp2_session_consume_connection(session_, stream->withheld));
    stream->withheld = 0;
  }
  withheld_ = 0;
}

void H2Session::Hold(std::size_t bytes) {
  if (settings_.gauge == nullptr) return;
  held_ += bytes;
  settings_.gauge->Add(bytes);
}

void H2Session::LetGo(std::size_t bytes) {
  if (settings_.gauge == nullptr) return;
  held_ -= bytes;
  settings_.gauge->Remove(bytes);
}

// What a stream that is over has left. Its reader may still take what has come.
void H2Session::Drop(const Stream& stream) {
  LetGo(stream.unread + stream.out.bytes());
  if (stream.withheld == 0) return;
  withheld_ -= stream.withheld;
  static_cast<void>(nghttp2_session_consume_connection(session_, stream.withheld));
}

std::unique_ptr<H2Session::Stream> H2Session::NewStream() const {
  auto stream = std::make_unique<Stream>();
  stream->window = settings_.stream_window_bytes;
  stream->window_since = budget_.now();
  return stream;
}

}  // namespace aquifer::http
