// Two ends of a connection that exists only in memory: what one end writes the other reads, in
// pieces of the test's choosing, with a bounded amount in between. No kernel, so time may be
// virtual.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "core/io/stream.h"
#include "core/rt/event.h"

namespace aquifer::certs::test {

struct PipeOptions {
  size_t piece_bytes = SIZE_MAX;    // a Read returns at most that much
  size_t capacity_bytes = 1 << 20;  // a Write waits while that much is unread
};

class PipeEnd final : public io::Stream {
 public:
  struct Direction {
    std::string bytes;
    bool ended = false;
    bool broken = false;
    Event changed;
  };

  PipeEnd(std::shared_ptr<Direction> in, std::shared_ptr<Direction> out, const PipeOptions& options)
      : in_(std::move(in)), out_(std::move(out)), options_(options) {}
  ~PipeEnd() override {
    out_->ended = true;
    out_->broken = out_->broken || reset_;
    in_->broken = true;  // writes of the other side find nobody
    out_->changed.Wake();
    in_->changed.Wake();
  }

  Task<Result<Chunk>> Read(StopToken stop) override {
    while (in_->bytes.empty()) {
      if (in_->broken && !in_->ended) co_return Error{Reason::kPeerReset};
      if (in_->ended) {
        if (in_->broken) co_return Error{Reason::kPeerReset};
        co_return Chunk();
      }
      const Status waited = co_await in_->changed.Wait(stop);
      if (!waited) co_return waited.error();
    }
    const size_t size = std::min(in_->bytes.size(), options_.piece_bytes);
    Chunk chunk = Chunk::CopyOf(std::string_view(in_->bytes).substr(0, size));
    in_->bytes.erase(0, size);
    in_->changed.Wake();
    co_return chunk;
  }

  Task<Status> Write(Chunk chunk, StopToken stop) override {
    ++writes_;
    while (out_->bytes.size() >= options_.capacity_bytes && !out_->broken) {
      const Status waited = co_await out_->changed.Wait(stop);
      if (!waited) co_return waited;
    }
    if (stop.requested()) co_return stop.error();
    if (out_->broken) co_return Error{Reason::kPeerReset};
    out_->bytes += chunk.text();
    out_->changed.Wake();
    co_return Status();
  }

  Task<Status> ShutdownWrite(StopToken) override {
    out_->ended = true;
    out_->changed.Wake();
    co_return Status();
  }

  void Reset() override { reset_ = true; }
  int writes() const { return writes_; }

 private:
  std::shared_ptr<Direction> in_;
  std::shared_ptr<Direction> out_;
  PipeOptions options_;
  bool reset_ = false;
  int writes_ = 0;
};

inline std::pair<io::StreamPtr, io::StreamPtr> MakePipe(const PipeOptions& options = {}) {
  auto there = std::make_shared<PipeEnd::Direction>();
  auto back = std::make_shared<PipeEnd::Direction>();
  return {std::make_unique<PipeEnd>(back, there, options),
          std::make_unique<PipeEnd>(there, back, options)};
}

}  // namespace aquifer::certs::test
