// A stream of which some bytes have been read already: they come first. For protocols that are
// found out by looking, and for what follows an upgrade. One thread: its Loop's.
#pragma once

#include <utility>

#include "core/io/stream.h"

namespace aquifer::waypoint {

class PrefixedStream final : public io::Stream {
 public:
  PrefixedStream(Chunk prefix, io::StreamPtr rest)
      : prefix_(std::move(prefix)), rest_(std::move(rest)) {}

  Task<Result<Chunk>> Read(StopToken stop) override {
    if (!prefix_.empty()) return Taken(std::exchange(prefix_, Chunk()));
    return rest_->Read(stop);
  }
  Task<Status> Write(Chunk chunk, StopToken stop) override {
    return rest_->Write(std::move(chunk), stop);
  }
  Task<Status> WriteMany(std::vector<Chunk> chunks, StopToken stop) override {
    return rest_->WriteMany(std::move(chunks), stop);
  }
  Task<Status> ShutdownWrite(StopToken stop) override { return rest_->ShutdownWrite(stop); }
  void Reset() override { rest_->Reset(); }

 private:
  static Task<Result<Chunk>> Taken(Chunk chunk) { co_return chunk; }

  Chunk prefix_;
  io::StreamPtr rest_;
};

}  // namespace aquifer::waypoint
