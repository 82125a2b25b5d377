#include "core/http/h1.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace aquifer::http {
namespace {

// What chunk headers, their extensions and line ends may take beyond what Account grants them for
// the body they carry.
constexpr std::int64_t kFramingSlack = 16 * 1024;
constexpr std::int64_t kFramingPerChunk = 16;
constexpr int kMaxInterim = 16;

}  // namespace

struct H1Reader::Callbacks {
  static H1Reader& Self(llhttp_t* parser) { return *static_cast<H1Reader*>(parser->data); }

  template <int (H1Reader::*F)()>
  static int Call(llhttp_t* parser) {
    return (Self(parser).*F)();
  }
  template <int (H1Reader::*F)(std::string_view)>
  static int CallSpan(llhttp_t* parser, const char* at, std::size_t size) {
    return (Self(parser).*F)({at, size});
  }
  static int CallBody(llhttp_t* parser, const char* at, std::size_t size) {
    return Self(parser).OnBody(at, size);
  }

  static llhttp_settings_t Make() {
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_message_begin = Call<&H1Reader::OnMessageBegin>;
    settings.on_url = CallSpan<&H1Reader::OnTarget>;
    settings.on_header_field = CallSpan<&H1Reader::OnName>;
    settings.on_header_value = CallSpan<&H1Reader::OnValue>;
    settings.on_header_value_complete = Call<&H1Reader::OnField>;
    settings.on_headers_complete = Call<&H1Reader::OnHeadersComplete>;
    settings.on_body = CallBody;
    settings.on_chunk_header = Call<&H1Reader::OnChunkHeader>;
    settings.on_message_complete = Call<&H1Reader::OnMessageComplete>;
    return settings;
  }
  static const llhttp_settings_t kSettings;
};

const llhttp_settings_t H1Reader::Callbacks::kSettings = Make();

H1Reader::H1Reader(H1Role role, const H1Limits& limits)
    : role_(role), limits_(limits), fields_(limits.headers), trailers_(limits.headers) {
  llhttp_init(&parser_, role == H1Role::kServer ? HTTP_REQUEST : HTTP_RESPONSE,
              &Callbacks::kSettings);
  parser_.data = this;
}

void H1Reader::ExpectResponse(std::string_view method, bool asked_for_upgrade) {
  AQ_CHECK(role_ == H1Role::kClient);
  expected_method_ = method;
  expected_upgrade_ = asked_for_upgrade;
  expecting_ = true;
  interim_count_ = 0;
}

void H1Reader::Feed(Chunk input) {
  AQ_CHECK(input_.empty());
  AQ_CHECK(!ended_);
  input_ = std::move(input);
}

void H1Reader::FeedEnd() {
  AQ_CHECK(input_.empty());
  ended_ = true;
}

H1Event H1Reader::Next() {
  while (true) {
    if (const std::optional<H1Event> event = TakeEvent()) return *event;
    if (input_.empty() && !paused_ && !ended_) return H1Event::kNeedInput;
    Parse();
  }
}

// What is already known, in the order in which it was said.
std::optional<H1Event> H1Reader::TakeEvent() {
  if (std::exchange(head_ready_, false)) return H1Event::kHead;
  if (!body_.empty()) return H1Event::kBody;
  if (std::exchange(tunnel_ready_, false)) return H1Event::kTunnel;
  if (std::exchange(end_ready_, false)) return H1Event::kEnd;
  switch (state_) {
    case State::kTunnel:
      return H1Event::kTunnel;
    case State::kClosed:
      return H1Event::kClosed;
    case State::kFailed:
      return H1Event::kError;
    default:
      return std::nullopt;
  }
}

void H1Reader::Parse() {
  if (input_.empty() && !paused_) {
    const llhttp_errno_t problem = llhttp_finish(&parser_);
    if (problem == HPE_OK || problem == HPE_PAUSED) {
      state_ = State::kClosed;
      return;
    }
    Fail(role_ == H1Role::kServer ? 400 : 502, "the peer closed in the middle of a message");
    error_.truncated = true;
    return;
  }
  if (role_ == H1Role::kClient && !expecting_ && !input_.empty()) {
    Fail(502, "a response that nobody asked for");
    return;
  }
  static constexpr char kNothing = 0;
  std::size_t size = input_.size();
  if (state_ == State::kHead) {
    // One byte more than allowed shows that the head is too long, wherever the pieces were cut.
    size = std::min<std::size_t>(size, limits_.max_head_bytes + 1 - head_bytes_);
  }
  const char* const data = size == 0 ? &kNothing : reinterpret_cast<const char*>(input_.data());
  paused_ = false;
  message_over_ = false;
  const State before = state_;
  const llhttp_errno_t problem = llhttp_execute(&parser_, data, size);
  const char* const stopped_at = problem == HPE_OK ? data + size : llhttp_get_error_pos(&parser_);
  const auto consumed = static_cast<std::size_t>(stopped_at - data);
  if (problem == HPE_PAUSED) {
    llhttp_resume(&parser_);
    paused_ = true;
  } else if (problem != HPE_OK && !(problem == HPE_PAUSED_UPGRADE && tunnel_ready_)) {
    FailParse(problem);
    return;
  }
  const bool fits = Account(before, consumed);
  input_.RemovePrefix(consumed);
  if (input_.empty()) input_ = Chunk();
  if (fits && tunnel_ready_) state_ = State::kTunnel;
}

// A head has a size limit. Behind it only the body is wanted: what frames it earns an allowance
// with every chunk and every byte, so that no stream of extensions, zeros or one-byte chunks with
// long headers goes on for ever. A call of llhttp in which a head or a message ended is over: it
// stops there, and what it read was bounded before.
bool H1Reader::Account(State before, std::size_t consumed) {
  if (message_over_ || state_ == State::kFailed || before != state_)
    return state_ != State::kFailed;
  const bool server = role_ == H1Role::kServer;
  if (state_ == State::kHead) {
    head_bytes_ += consumed;
    return head_bytes_ <= limits_.max_head_bytes || Refuse(server ? 431 : 502, "head too large");
  }
  framing_allowance_ -= static_cast<std::int64_t>(consumed - std::min(consumed, body_.size()));
  return framing_allowance_ >= 0 || Refuse(server ? 400 : 502, "chunk headers too long");
}

int H1Reader::Fail(int status, std::string_view why) {
  if (state_ != State::kFailed) error_ = {status, why, false};
  state_ = State::kFailed;  // what was said before is still told first
  return HPE_USER;
}

bool H1Reader::Refuse(int status, std::string_view why) {
  Fail(status, why);
  return false;
}

void H1Reader::FailParse(llhttp_errno_t problem) {
  if (state_ == State::kFailed) return;  // said by a callback, which knows better
  if (role_ == H1Role::kClient) {
    Fail(502, llhttp_get_error_reason(&parser_));
  } else if (problem == HPE_PAUSED_H2_UPGRADE ||
             (problem == HPE_INVALID_VERSION &&
              (parser_.http_major != 1 || parser_.http_minor > 1))) {
    Fail(505, "unsupported HTTP version");
  } else {
    Fail(400, llhttp_get_error_reason(&parser_));
  }
}

int H1Reader::OnMessageBegin() {
  state_ = State::kHead;
  in_trailers_ = false;
  target_.clear();
  name_.clear();
  value_.clear();
  fields_.Clear();
  trailers_ = HeaderList(limits_.headers);
  return 0;
}

int H1Reader::OnTarget(std::string_view part) {
  if (target_.size() + part.size() > limits_.max_target_bytes)
    return Fail(414, "request target too long");
  target_.append(part);
  return 0;
}

int H1Reader::OnName(std::string_view part) {
  if (name_.size() + part.size() > limits_.headers.max_bytes)
    return Fail(431, "header name too long");
  name_.append(part);
  return 0;
}

int H1Reader::OnValue(std::string_view part) {
  if (value_.size() + part.size() > limits_.headers.max_bytes)
    return Fail(431, "header value too long");
  value_.append(part);
  return 0;
}

int H1Reader::OnField() {
  HeaderList& list = in_trailers_ ? trailers_ : fields_;
  const HeaderError problem = list.TryAdd(name_, value_);
  name_.clear();
  value_.clear();
  const bool server = role_ == H1Role::kServer;
  switch (problem) {
    case HeaderError::kNone:
      break;
    case HeaderError::kTooManyFields:
      return Fail(server ? 431 : 502, "too many header fields");
    case HeaderError::kTooManyBytes:
      return Fail(server ? 431 : 502, "header fields too large");
    case HeaderError::kBadName:
    case HeaderError::kBadValue:
      return Fail(server ? 400 : 502, "malformed header field");
  }
  if (in_trailers_ && IsForbiddenTrailer(list[list.size() - 1].name)) {
    return Fail(server ? 400 : 502, "a trailer that may not be one");
  }
  return 0;
}

// What llhttp does with the rest: 0 reads a body if the fields announce one, 1 reads none, 2 leaves
// HTTP.
int H1Reader::OnHeadersComplete() {
  minor_version_ = parser_.http_minor;
  if (parser_.http_major != 1 || minor_version_ > 1) {
    return Fail(role_ == H1Role::kServer ? 505 : 502, "unsupported HTTP version");
  }
  if (!(role_ == H1Role::kServer ? CheckRequest() : CheckResponse())) return HPE_USER;
  DescribeMessage();
  head_ready_ = true;
  head_bytes_ = 0;
  framing_allowance_ = kFramingSlack;
  state_ = State::kBody;
  if (role_ == H1Role::kServer) {
    if (request_.method == "CONNECT") return 2;
    // llhttp would leave HTTP at any Upgrade; whether it is left is decided by the answer.
    parser_.upgrade = 0;
    return 0;
  }
  if (response_.status == 101 || (expected_method_ == "CONNECT" && response_.status / 100 == 2))
    return 2;
  return length_.kind == BodyKind::kNone ? 1 : 0;
}

bool H1Reader::CheckRequest() {
  request_ = RequestHead();
  request_.method = llhttp_method_name(static_cast<llhttp_method_t>(parser_.method));
  if (!CheckRequestFraming()) return false;
  const std::size_t hosts = fields_.Count("host");
  if (hosts > 1) return Refuse(400, "more than one Host");
  if (hosts == 0 && minor_version_ == 1) return Refuse(400, "no Host");
  if (hosts == 1) {
    const std::string_view host = *fields_.Get("host");
    if (!host.empty() && !IsAuthority(host)) return Refuse(400, "malformed Host");
    request_.authority = host;
    fields_.Remove("host");
  }
  return CheckTarget();
}

// The four forms of RFC 9112 section 3.2. An absolute form overrides Host.
bool H1Reader::CheckTarget() {
  if (!IsRequestTarget(target_)) return Refuse(400, "malformed request target");
  const std::string_view target = target_;
  if (request_.method == "CONNECT") {
    if (!IsAuthority(target) || target.find(':') == std::string_view::npos) {
      return Refuse(400, "malformed request target");
    }
    request_.authority = target;
    return true;
  }
  if (target.front() == '/' || (target == "*" && request_.method == "OPTIONS")) {
    request_.path = target;
    return true;
  }
  const std::size_t colon = target.find("://");
  const std::string_view scheme = target.substr(0, colon == std::string_view::npos ? 0 : colon);
  if (!EqualsIgnoreCase(scheme, "http") && !EqualsIgnoreCase(scheme, "https")) {
    return Refuse(400, "malformed request target");
  }
  const std::string_view rest = target.substr(colon + 3);
  const std::size_t slash = rest.find_first_of("/?");
  if (!IsAuthority(rest.substr(0, slash))) return Refuse(400, "malformed request target");
  request_.scheme = scheme.size() == 5 ? "https" : "http";
  request_.authority = rest.substr(0, slash);
  const std::string_view path =
      slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
  request_.path = path.starts_with('/') ? std::string(path) : "/" + std::string(path);
  return true;
}

bool H1Reader::CheckRequestFraming() {
  const std::optional<std::string_view> coding = fields_.Get("transfer-encoding");
  const std::size_t lengths = fields_.Count("content-length");
  if (lengths > 1) return Refuse(400, "more than one Content-Length");
  if (coding) {
    if (lengths != 0) return Refuse(400, "both Transfer-Encoding and Content-Length");
    if (minor_version_ == 0) return Refuse(400, "Transfer-Encoding in HTTP/1.0");
    if (fields_.Count("transfer-encoding") > 1 || !EqualsIgnoreCase(*coding, "chunked")) {
      return Refuse(501, "a transfer coding other than chunked");
    }
  }
  if (request_.method == "CONNECT" && (coding || lengths != 0))
    return Refuse(400, "a CONNECT with a body");
  return true;
}

bool H1Reader::CheckResponse() {
  response_ = ResponseHead();
  response_.status = parser_.status_code;
  if (response_.status < 100) return Refuse(502, "malformed status");
  const std::size_t codings = fields_.Count("transfer-encoding");
  const std::size_t lengths = fields_.Count("content-length");
  if (lengths > 1 || (lengths != 0 && codings != 0)) return Refuse(502, "contradicting lengths");
  if (codings != 0 && (codings > 1 || minor_version_ == 0 ||
                       !EqualsIgnoreCase(*fields_.Get("transfer-encoding"), "chunked"))) {
    return Refuse(502, "a transfer coding other than chunked");
  }
  if (response_.status == 101) {
    if (!expected_upgrade_) return Refuse(502, "a 101 that nobody asked for");
  } else if (response_.status / 100 == 1) {
    if (lengths + codings != 0) return Refuse(502, "an interim response with a body");
    if (++interim_count_ > kMaxInterim) return Refuse(502, "too many interim responses");
  }
  return true;
}

// Everything the accessors tell, from fields that have been checked.
void H1Reader::DescribeMessage() {
  const bool request = role_ == H1Role::kServer;
  const bool chunked = fields_.Has("transfer-encoding");
  const bool has_length = fields_.Has("content-length");
  if (!request && IsBodiless(expected_method_, response_.status)) {
    length_ = BodyLength::None();
  } else if (chunked) {
    length_ = BodyLength::Chunked();
  } else if (has_length) {
    length_ =
        parser_.content_length == 0 ? BodyLength::None() : BodyLength::Of(parser_.content_length);
  } else {
    length_ = request ? BodyLength::None() : BodyLength::UntilClose();
  }
  keep_alive_ = minor_version_ == 1 ? !fields_.HasToken("connection", "close")
                                    : fields_.HasToken("connection", "keep-alive") &&
                                          !fields_.HasToken("connection", "close");
  if (length_.kind == BodyKind::kUntilClose) keep_alive_ = false;
  expects_continue_ = request && minor_version_ == 1 && length_.kind != BodyKind::kNone &&
                      EqualsIgnoreCase(fields_.Get("expect").value_or(""), "100-continue");
  asks_for_upgrade_ = request && minor_version_ == 1 && length_.kind == BodyKind::kNone &&
                      fields_.Has("upgrade") && fields_.HasToken("connection", "upgrade");
  (request ? request_.headers : response_.headers) = std::move(fields_);
  fields_ = HeaderList(limits_.headers);
}

int H1Reader::OnBody(const char* at, std::size_t size) {
  if (size == 0) return 0;
  const auto offset =
      static_cast<std::size_t>(reinterpret_cast<const std::uint8_t*>(at) - input_.data());
  body_ = input_.Slice(offset, size);
  framing_allowance_ =
      std::min(framing_allowance_ + 2 * static_cast<std::int64_t>(size), 4 * kFramingSlack);
  return HPE_PAUSED;
}

int H1Reader::OnChunkHeader() {
  framing_allowance_ = std::min(framing_allowance_ + kFramingPerChunk, 4 * kFramingSlack);
  in_trailers_ = parser_.content_length == 0;
  if (in_trailers_) framing_allowance_ += limits_.headers.max_bytes;
  return 0;
}

int H1Reader::OnMessageComplete() {
  message_over_ = true;
  if (role_ == H1Role::kClient && response_.status / 100 == 1 && response_.status != 101) {
    state_ = State::kHead;
    return HPE_PAUSED;  // the response itself is still to come
  }
  expecting_ = false;
  // llhttp has taken the message for a tunnel's opening and pauses by itself.
  if (parser_.upgrade != 0) {
    tunnel_ready_ = true;
    return 0;
  }
  end_ready_ = true;
  state_ = State::kHead;
  return HPE_PAUSED;
}

}  // namespace aquifer::http
