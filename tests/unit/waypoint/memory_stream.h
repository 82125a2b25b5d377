// Two ends of a connection in memory, for tests on virtual time: what one writes the other reads,
// with FIN and reset, whole or a few bytes at a time.
#pragma once

#include <deque>
#include <memory>
#include <utility>

#include "core/io/stream.h"
#include "core/rt/event.h"

namespace aquifer::waypoint::test {

class MemoryStream final : public io::Stream {
 public:
  struct Direction {
    std::deque<Chunk> chunks;
    bool ended = false;
    bool reset = false;
    Event readable;
  };

  MemoryStream(std::shared_ptr<Direction> in, std::shared_ptr<Direction> out, size_t drip)
      : in_(std::move(in)), out_(std::move(out)), drip_(drip) {}
  ~MemoryStream() override {
    if (broken_) {
      out_->reset = true;
      in_->reset = true;
    }
    out_->ended = true;
    out_->readable.Set();
  }

  Task<Result<Chunk>> Read(StopToken stop) override {
    while (in_->chunks.empty()) {
      if (in_->reset) co_return Error{Reason::kPeerReset};
      if (in_->ended) co_return Chunk();
      in_->readable.Reset();
      const Status waited = co_await in_->readable.Wait(stop);
      if (!waited) co_return waited.error();
    }
    Chunk& first = in_->chunks.front();
    if (drip_ != 0 && first.size() > drip_) {
      Chunk part = first.Slice(0, drip_);
      first.RemovePrefix(drip_);
      co_return part;
    }
    Chunk whole = std::move(first);
    in_->chunks.pop_front();
    co_return whole;
  }

  Task<Status> Write(Chunk chunk, StopToken stop) override {
    if (stop.requested()) co_return stop.error();
    if (out_->reset) co_return Error{Reason::kPeerReset};
    if (!chunk.empty()) out_->chunks.push_back(std::move(chunk));
    out_->readable.Set();
    co_return Status();
  }

  Task<Status> ShutdownWrite(StopToken) override {
    out_->ended = true;
    out_->readable.Set();
    co_return Status();
  }

  void Reset() override { broken_ = true; }

 private:
  std::shared_ptr<Direction> in_;
  std::shared_ptr<Direction> out_;
  size_t drip_;
  bool broken_ = false;
};

struct StreamPair {
  io::StreamPtr a;
  io::StreamPtr b;
};

// `drip`: the most bytes that one Read gives; 0 for no limit.
inline StreamPair MakeStreams(size_t drip = 0) {
  auto there = std::make_shared<MemoryStream::Direction>();
  auto back = std::make_shared<MemoryStream::Direction>();
  return {std::make_unique<MemoryStream>(back, there, drip),
          std::make_unique<MemoryStream>(there, back, drip)};
}

}  // namespace aquifer::waypoint::test
