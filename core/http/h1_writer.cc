#include "core/http/h1_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

namespace aquifer::http {
namespace {

// Pieces up to this size are copied to the end of what goes out before them.
constexpr std::size_t kGatherBytes = 1024;

// Appends to the last chunk where it has room, else begins a new one with room for more.
void Put(H1Writer::Out& out, std::string_view text) {
  if (out.empty() || out.back().writable().size() < text.size()) {
    out.push_back(Chunk::Allocate(std::max(text.size(), kGatherBytes)));
  }
  out.back().Append(AsBytes(text));
}

void Put(H1Writer::Out& out, Chunk chunk) {
  if (chunk.size() <= kGatherBytes) {
    Put(out, chunk.text());
  } else {
    out.push_back(std::move(chunk));
  }
}

void AppendLength(std::string& text, std::uint64_t length) {
  text.append("content-length: ").append(std::to_string(length)).append("\r\n");
}

void AppendFields(std::string& text, const HeaderList& headers, bool keep_length) {
  for (const HeaderField field : headers) {
    if (field.name == "host" || field.name == "transfer-encoding") continue;
    if (field.name == "content-length" && !keep_length) continue;
    text.append(field.name).append(": ").append(field.value).append("\r\n");
  }
}

// The same with our own length, in the place where the head had one: the order of fields is not
// ours to change.
void AppendFieldsWithLength(std::string& text, const HeaderList& headers, std::uint64_t length) {
  bool placed = false;
  for (const HeaderField field : headers) {
    if (field.name == "host" || field.name == "transfer-encoding") continue;
    if (field.name != "content-length") {
      text.append(field.name).append(": ").append(field.value).append("\r\n");
    } else if (!std::exchange(placed, true)) {
      AppendLength(text, length);
    }
  }
  if (!placed) AppendLength(text, length);
}

}  // namespace

Status H1Writer::StartRequest(const RequestHead& head, BodyLength body, Out& out) {
  const std::string& target = head.method == "CONNECT" ? head.authority : head.path;
  if (!IsToken(head.method) || !IsRequestTarget(target)) return Error{Reason::kBadRequest};
  if (!head.authority.empty() && !IsAuthority(head.authority)) return Error{Reason::kBadRequest};
  if (body.kind == BodyKind::kUntilClose) return Error{Reason::kBadRequest};
  std::string text;
  text.reserve(256 + head.headers.bytes());
  text.append(head.method).append(" ").append(target).append(" HTTP/1.1\r\n");
  text.append("host: ").append(head.authority).append("\r\n");
  AppendFields(text, head.headers, false);
  if (body.kind == BodyKind::kChunked) text.append("transfer-encoding: chunked\r\n");
  // A request without a body needs no length, but for these methods its absence has misled servers.
  const bool wants_length = head.method == "POST" || head.method == "PUT" || head.method == "PATCH";
  if (body.kind == BodyKind::kLength || (body.kind == BodyKind::kNone && wants_length))
    AppendLength(text, body.length);
  Put(out, text.append("\r\n"));
  body_ = body;
  discards_body_ = false;
  keep_alive_ = !head.headers.HasToken("connection", "close");
  return Status();
}

Status H1Writer::StartResponse(const ResponseHead& head, BodyLength body, const H1ResponseTo& to,
                               Out& out) {
  if (head.status < 100 || head.status > 999) return Error{Reason::kBadRequest};
  const bool interim = head.status / 100 == 1;
  if (interim && to.minor_version == 0) return Status();  // HTTP/1.0 does not know them
  const bool bodiless = IsBodiless(to.method, head.status);
  if (body.kind == BodyKind::kChunked && to.minor_version == 0) body = BodyLength::UntilClose();
  std::string text;
  text.reserve(256 + head.headers.bytes());
  text.append("HTTP/1.1 ")
      .append(std::to_string(head.status))
      .append(" ")
      .append(ReasonPhrase(head.status))
      .append("\r\n");
  const bool keep_length = bodiless && head.status != 204 && !interim && to.method != "CONNECT";
  const bool counted =
      !interim && (body.kind == BodyKind::kLength || (body.kind == BodyKind::kNone && !bodiless)) &&
      head.status != 204 && !(to.method == "CONNECT" && bodiless);
  if (counted) {
    AppendFieldsWithLength(text, head.headers, body.length);
  } else {
    AppendFields(text, head.headers, keep_length && body.kind != BodyKind::kLength);
  }
  if (!interim) {
    keep_alive_ = to.keep_alive && !head.headers.HasToken("connection", "close") &&
                  (bodiless || body.kind != BodyKind::kUntilClose);
    if (!bodiless && body.kind == BodyKind::kChunked) text.append("transfer-encoding: chunked\r\n");
    if (!keep_alive_ && !head.headers.HasToken("connection", "close"))
      text.append("connection: close\r\n");
    if (keep_alive_ && to.minor_version == 0) text.append("connection: keep-alive\r\n");
  }
  Put(out, text.append("\r\n"));
  body_ = bodiless ? BodyLength::None() : body;
  discards_body_ = bodiless;
  return Status();
}

Status H1Writer::Body(Chunk chunk, Out& out) {
  if (chunk.empty() || discards_body_) return Status();
  switch (body_.kind) {
    case BodyKind::kNone:
      return Error{Reason::kHttpFailed};
    case BodyKind::kLength:
      if (chunk.size() > body_.length) return Error{Reason::kHttpFailed};
      body_.length -= chunk.size();
      break;
    case BodyKind::kUntilClose:
      break;
    case BodyKind::kChunked: {
      std::array<char, 20> line{};
      char* end = std::to_chars(line.data(), line.data() + line.size(), chunk.size(), 16).ptr;
      *end++ = '\r';
      *end++ = '\n';
      const std::string_view size_line(line.data(), static_cast<std::size_t>(end - line.data()));
      if (chunk.size() <= kGatherBytes || !chunk.Prepend(AsBytes(size_line))) Put(out, size_line);
      Put(out, std::move(chunk));
      Put(out, "\r\n");
      return Status();
    }
  }
  Put(out, std::move(chunk));
  return Status();
}

Status H1Writer::End(const HeaderList& trailers, Out& out) {
  if (discards_body_) return Status();
  if (body_.kind == BodyKind::kLength && body_.length != 0) return Error{Reason::kHttpFailed};
  if (body_.kind == BodyKind::kChunked) {
    std::string text = "0\r\n";
    for (const HeaderField field : trailers) {
      if (IsForbiddenTrailer(field.name)) continue;
      text.append(field.name).append(": ").append(field.value).append("\r\n");
    }
    Put(out, text.append("\r\n"));
  }
  body_ = BodyLength::None();
  return Status();
}

Status H1Writer::End(Out& out) {
  const HeaderList none;
  return End(none, out);
}

}  // namespace aquifer::http
