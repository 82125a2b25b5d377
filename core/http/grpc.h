// What gRPC adds to HTTP/2, without a socket: the framing of messages, and the status in the
// trailers. The calls are in core/http/grpc_client.h and core/http/grpc_server.h. After "gRPC over
// HTTP2" of the gRPC project. No compression: nobody here asks for it, and a compressed message is
// refused. Owned by one call, on its loop's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/http/chunk_queue.h"
#include "core/http/message.h"

namespace aquifer::http {

enum class GrpcCode : std::uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

struct GrpcStatus {
  GrpcCode code = GrpcCode::kOk;
  std::string message;

  bool ok() const { return code == GrpcCode::kOk; }
  // "PERMISSION_DENIED: no such account", for logs.
  std::string ToString() const;
  friend bool operator==(const GrpcStatus&, const GrpcStatus&) = default;
};

std::string_view GrpcCodeName(GrpcCode code);

// A message with its five bytes in front, ready to be written.
Chunk GrpcFrame(std::string_view message);

// Takes messages out of DATA. Memory grows with what has arrived, never with what a length
// announces.
class GrpcDecoder {
 public:
  explicit GrpcDecoder(std::size_t max_message_bytes) : max_message_bytes_(max_message_bytes) {}

  void Feed(Chunk data) { input_.Push(std::move(data)); }
  // For messages whose header has not come yet.
  void set_max_message_bytes(std::size_t bytes) { max_message_bytes_ = bytes; }
  // The next whole message; empty when more is needed; a status when the stream cannot be read on.
  Result<std::optional<std::string>, GrpcStatus> Next();
  // Whether the stream may end here.
  bool at_boundary() const { return input_.empty() && header_size_ == 0; }

 private:
  static constexpr std::size_t kHeader = 5;

  std::size_t max_message_bytes_;
  ChunkQueue input_;
  std::uint8_t header_[kHeader] = {};
  std::size_t header_size_ = 0;
  std::size_t length_ = 0;
  std::string message_;
};

// Status from trailers (or from the head of a response without a body); kUnknown when there is
// none.
GrpcStatus GrpcStatusFrom(const HeaderList& trailers);
// What a response that is not gRPC's means for the call.
GrpcStatus GrpcStatusOfHttp(int http_status);
void AddGrpcStatus(HeaderList& trailers, const GrpcStatus& status);
// Whether a content-type is application/grpc, plain or with protobuf.
bool IsGrpcContentType(std::string_view content_type);

}  // namespace aquifer::http
