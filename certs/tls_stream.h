// TLS over a stream, as a stream: certs/tls_engine.h with the bytes moved by coroutines. One reader
// and one writer may be at work at once: every call into the engine is made between two waits, so
// the engine never sees both. Owned by whoever speaks the protocol above; one thread: its Loop's.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "certs/tls_engine.h"
#include "core/io/stream.h"
#include "core/rt/turns.h"

namespace aquifer::certs {

// Whose turn it is to compute: with it each step of a handshake waits for its own.
struct Pace {
  Turns* turns = nullptr;
  Turns::Lane* lane = nullptr;
  unsigned cost = 1;
};

class TlsStream final : public io::Stream {
 public:
  Task<Result<Chunk>> Read(StopToken stop) override;
  Task<Status> Write(Chunk chunk, StopToken stop) override;
  Task<Status> WriteMany(std::vector<Chunk> chunks, StopToken stop) override;
  // close_notify, then FIN on the carrier.
  Task<Status> ShutdownWrite(StopToken stop) override;
  void Reset() override { carrier_->Reset(); }

  // Of a mesh peer; empty for a peer that was checked by host name or that showed no certificate.
  const std::optional<Identity>& peer() const { return engine_.peer(); }
  // What ALPN chose.
  std::string_view protocol() const { return engine_.protocol(); }
  // Why a Read or Write failed, in words, when TLS was the cause.
  std::string_view failure_detail() const { return engine_.failure().detail; }
  io::Stream& carrier() { return *carrier_; }

 private:
  friend Task<Result<std::unique_ptr<TlsStream>, Failure>> ClientHandshake(
      io::StreamPtr carrier, TlsContextRef context, PeerExpectation expectation, WallTime now,
      StopToken stop, PathJudge* judge, Pace pace);
  friend Task<Result<std::unique_ptr<TlsStream>, Failure>> ServerHandshake(
      io::StreamPtr carrier, TlsContextRef context, PeerExpectation expectation, WallTime now,
      StopToken stop, PathJudge* judge, Pace pace);

  TlsStream(io::StreamPtr carrier, TlsContextRef context, PeerExpectation expectation, WallTime now,
            PathJudge* judge)
      : carrier_(std::move(carrier)),
        engine_(std::move(context), std::move(expectation), now, judge) {}

  static Task<Result<std::unique_ptr<TlsStream>, Failure>> Handshake(
      std::unique_ptr<TlsStream> stream, StopToken stop, Pace pace);
  Task<Status> FeedOnce(StopToken stop);
  Task<Status> Flush(StopToken stop);
  Error WriteError() const;

  io::StreamPtr carrier_;
  TlsEngine engine_;
  bool flushing_ = false;  // somebody is writing to the carrier
};

using TlsStreamPtr = std::unique_ptr<TlsStream>;

// Authenticates over `carrier`, which ends with the stream or with the failure. `stop` carries the
// deadline: a peer that is slow to prove who it is must not hold us. `now` is the wall clock's.
// `judge` outlives the call.
Task<Result<TlsStreamPtr, Failure>> ClientHandshake(io::StreamPtr carrier, TlsContextRef context,
                                                    PeerExpectation expectation, WallTime now,
                                                    StopToken stop, PathJudge* judge = nullptr,
                                                    Pace pace = {});
Task<Result<TlsStreamPtr, Failure>> ServerHandshake(io::StreamPtr carrier, TlsContextRef context,
                                                    PeerExpectation expectation, WallTime now,
                                                    StopToken stop, PathJudge* judge = nullptr,
                                                    Pace pace = {});

}  // namespace aquifer::certs
