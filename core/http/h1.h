// HTTP/1.1 without a socket: H1Reader turns bytes into heads, body slices and ends (on llhttp in
// its strict mode), H1Writer of core/http/h1_writer.h turns them back (RFC 9112). The reader takes
// no message whose end two parties could see in different places: both lengths, two lengths,
// codings other than one "chunked", folded lines, bare line feeds and strays of any other kind are
// errors. Owned by one connection, on its loop's thread; no clock: the owner bounds the time of a
// head.
#pragma once

#include <llhttp.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/http/header.h"
#include "core/http/message.h"
#include "core/io/chunk.h"

namespace aquifer::http {

struct H1Limits {
  std::uint32_t max_head_bytes = 64 * 1024;  // the whole head as sent, first line included
  std::uint32_t max_target_bytes = 16 * 1024;
  HeaderLimits headers;
};

enum class H1Role : std::uint8_t {
  kServer,
  kClient
};  // a server reads requests, a client responses

enum class H1Event : std::uint8_t {
  kNeedInput,  // call Feed or FeedEnd
  kHead,       // TakeRequest or TakeResponse; a 1xx response is a head with no kEnd
  kBody,       // TakeBody
  kEnd,        // the message is over; trailers() are there; the next begins with the next Next
  kTunnel,  // after the kHead of a CONNECT request, a 101, or a 2xx to CONNECT: what follows is not
            // HTTP; TakeRest
  kClosed,  // the peer closed between messages
  kError,   // error(); nothing more can be read
};

// How the end of a body is told.
enum class BodyKind : std::uint8_t { kNone, kLength, kChunked, kUntilClose };

struct BodyLength {
  BodyKind kind = BodyKind::kNone;
  std::uint64_t length = 0;

  static BodyLength None() { return {}; }
  static BodyLength Of(std::uint64_t bytes) { return {BodyKind::kLength, bytes}; }
  static BodyLength Chunked() { return {BodyKind::kChunked, 0}; }
  static BodyLength UntilClose() { return {BodyKind::kUntilClose, 0}; }
};

struct H1Error {
  int status = 0;             // what a server answers before it closes; 502 for a bad response
  std::string_view why = "";  // a sentence fragment for the log
  bool truncated = false;     // the peer closed in the middle of a message
};

class H1Reader {
 public:
  explicit H1Reader(H1Role role, const H1Limits& limits = {});
  H1Reader(const H1Reader&) = delete;
  H1Reader& operator=(const H1Reader&) = delete;

  // A client says, before it reads, which request the next response answers.
  void ExpectResponse(std::string_view method, bool asked_for_upgrade);

  // More bytes, after kNeedInput.
  void Feed(Chunk input);
  // The peer has closed its direction, after kNeedInput.
  void FeedEnd();
  H1Event Next();

  RequestHead TakeRequest() { return std::move(request_); }
  ResponseHead TakeResponse() { return std::move(response_); }
  Chunk TakeBody() { return std::move(body_); }
  const HeaderList& trailers() const { return trailers_; }
  HeaderList TakeTrailers() { return std::move(trailers_); }
  const H1Error& error() const { return error_; }
  // Bytes behind the message: what a tunnel begins with, or the next request.
  Chunk TakeRest() { return std::move(input_); }
  bool has_rest() const { return !input_.empty(); }

  // Of the message whose head came last.
  BodyLength body() const { return length_; }
  int minor_version() const { return minor_version_; }
  bool keep_alive() const { return keep_alive_; }
  bool expects_continue() const { return expects_continue_; }
  // The request asks for another protocol and has no body (a 101 may answer it).
  bool asks_for_upgrade() const { return asks_for_upgrade_; }

 private:
  enum class State : std::uint8_t { kHead, kBody, kTunnel, kClosed, kFailed };

  struct Callbacks;

  int Fail(int status, std::string_view why);
  bool Refuse(int status, std::string_view why);
  void FailParse(llhttp_errno_t problem);
  void Parse();
  std::optional<H1Event> TakeEvent();
  bool Account(State before, std::size_t consumed);

  int OnMessageBegin();
  int OnTarget(std::string_view part);
  int OnName(std::string_view part);
  int OnValue(std::string_view part);
  int OnField();
  int OnHeadersComplete();
  int OnBody(const char* at, std::size_t size);
  int OnChunkHeader();
  int OnMessageComplete();

  bool CheckRequest();
  bool CheckTarget();
  bool CheckRequestFraming();
  bool CheckResponse();
  void DescribeMessage();

  const H1Role role_;
  const H1Limits limits_;
  llhttp_t parser_;
  State state_ = State::kHead;
  bool paused_ =
      false;  // llhttp stopped at an event of ours and wants to be called again, even without input
  bool ended_ = false;  // FeedEnd
  bool in_trailers_ = false;
  bool message_over_ = false;  // in the last call of llhttp
  Chunk input_;
  std::size_t head_bytes_ = 0;
  std::int64_t framing_allowance_ = 0;  // see Account

  // What the next calls of Next report, in this order.
  bool head_ready_ = false;
  bool end_ready_ = false;
  bool tunnel_ready_ = false;
  Chunk body_;

  std::string target_;
  std::string name_;
  std::string value_;
  HeaderList fields_;
  RequestHead request_;
  ResponseHead response_;
  HeaderList trailers_;
  H1Error error_;

  std::string expected_method_;
  bool expecting_ = false;
  bool expected_upgrade_ = false;
  int interim_count_ = 0;

  BodyLength length_;
  int minor_version_ = 1;
  bool keep_alive_ = false;
  bool expects_continue_ = false;
  bool asks_for_upgrade_ = false;
};

}  // namespace aquifer::http
