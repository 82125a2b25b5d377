#include "core/http/grpc.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace aquifer::http {
namespace {

constexpr std::array<std::string_view, 17> kNames = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};
constexpr std::size_t kMaxStatusText =
    4096;  // a longer one is cut: it has to fit the peer's header limits

// grpc-message is percent-encoded UTF-8: everything but visible ASCII and the blank.
std::string EncodeText(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text.substr(0, kMaxStatusText)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '%') {
      out.push_back(c);
    } else {
      out.append({'%', kHex[byte >> 4], kHex[byte & 15]});
    }
  }
  return out;
}

std::string DecodeText(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    const bool escape = text[i] == '%' && i + 2 < text.size() &&
                        std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ptr ==
                            text.data() + i + 3;
    out.push_back(escape ? static_cast<char>(byte) : text[i]);
    if (escape) i += 2;
  }
  return out;
}

}  // namespace

std::string_view GrpcCodeName(GrpcCode code) { return kNames.at(static_cast<std::size_t>(code)); }

std::string GrpcStatus::ToString() const {
  std::string text(GrpcCodeName(code));
  if (!message.empty()) text.append(": ").append(message);
  return text;
}

Chunk GrpcFrame(std::string_view message) {
  Chunk frame = Chunk::Allocate(message.size() + 5);
  std::string header;
  ByteWriter writer(header);
  writer.U8(0);
  writer.U32(static_cast<std::uint32_t>(message.size()));
  frame.Append(AsBytes(header));
  frame.Append(AsBytes(message));
  return frame;
}

Result<std::optional<std::string>, GrpcStatus> GrpcDecoder::Next() {
  while (header_size_ < kHeader) {
    if (input_.empty()) return std::optional<std::string>();
    const Chunk part = input_.PopUpTo(kHeader - header_size_);
    std::copy(part.bytes().begin(), part.bytes().end(), header_ + header_size_);
    header_size_ += part.size();
    if (header_size_ < kHeader) continue;
    ByteReader reader(Bytes(header_, kHeader));
    if (reader.U8() != 0)
      return GrpcStatus{GrpcCode::kUnimplemented, "compressed messages are not taken here"};
    length_ = reader.U32();
    if (length_ > max_message_bytes_) {
      return GrpcStatus{GrpcCode::kResourceExhausted,
                        "message of " + std::to_string(length_) + " bytes, at most " +
                            std::to_string(max_message_bytes_) + " are taken"};
    }
  }
  while (message_.size() < length_) {
    if (input_.empty()) return std::optional<std::string>();
    message_.append(input_.PopUpTo(length_ - message_.size()).text());
  }
  header_size_ = 0;
  return std::optional<std::string>(std::exchange(message_, std::string()));
}

GrpcStatus GrpcStatusFrom(const HeaderList& trailers) {
  const std::optional<std::string_view> text = trailers.Get("grpc-status");
  if (!text) return {GrpcCode::kUnknown, "the response ended without a status"};
  unsigned code = 0;
  const auto [end, problem] = std::from_chars(text->data(), text->data() + text->size(), code);
  if (problem != std::errc() || end != text->data() + text->size() || code >= kNames.size()) {
    return {GrpcCode::kUnknown, "malformed grpc-status"};
  }
  return {static_cast<GrpcCode>(code),
          DecodeText(trailers.Get("grpc-message").value_or("").substr(0, kMaxStatusText))};
}

GrpcStatus GrpcStatusOfHttp(int http_status) {
  const std::string text = "HTTP status " + std::to_string(http_status);
  switch (http_status) {
    case 400:
      return {GrpcCode::kInternal, text};
    case 401:
      return {GrpcCode::kUnauthenticated, text};
    case 403:
      return {GrpcCode::kPermissionDenied, text};
    case 404:
      return {GrpcCode::kUnimplemented, text};
    case 429:
    case 502:
    case 503:
    case 504:
      return {GrpcCode::kUnavailable, text};
    default:
      return {GrpcCode::kUnknown, text};
  }
}

void AddGrpcStatus(HeaderList& trailers, const GrpcStatus& status) {
  trailers.Set("grpc-status", std::to_string(static_cast<int>(status.code)));
  if (!status.message.empty()) trailers.Set("grpc-message", EncodeText(status.message));
}

bool IsGrpcContentType(std::string_view content_type) {
  const std::string_view type = TrimBlanks(content_type.substr(0, content_type.find(';')));
  return EqualsIgnoreCase(type, "application/grpc") ||
         EqualsIgnoreCase(type, "application/grpc+proto");
}

}  // namespace aquifer::http
