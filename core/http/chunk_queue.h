// ChunkQueue: bytes that wait in order, as chunks. Small pieces are gathered, and a small slice
// that would keep a large block alive is copied out of it, so that memory stays in proportion to
// bytes() whatever sizes a peer chooses. Owned by one stream, on its loop's thread.
#pragma once

#include <vector>

#include "core/io/chunk.h"

namespace aquifer::http {

class ChunkQueue {
 public:
  bool empty() const { return head_ == chunks_.size(); }
  std::size_t bytes() const { return bytes_; }
  const Chunk& front() const { return chunks_[head_]; }

  // `chunk` may be empty, which adds nothing.
  void Push(Chunk chunk) {
    if (chunk.empty()) return;
    bytes_ += chunk.size();
    if (!empty() && TakeIn(chunk)) return;
    // A queue that is never quite empty would else keep the places of all that went through it.
    if (head_ > kKeptSlots && head_ * 2 > chunks_.size()) {
      chunks_.erase(chunks_.begin(), chunks_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
    chunks_.push_back(std::move(chunk));
  }
  // The first chunk, whole. Not when empty.
  Chunk Pop() {
    Chunk chunk = std::move(chunks_[head_]);
    bytes_ -= chunk.size();
    if (++head_ == chunks_.size()) Restart();
    return chunk;
  }
  // The first chunk, or the first `limit` bytes of it.
  Chunk PopUpTo(std::size_t limit) {
    Chunk& first = chunks_[head_];
    if (first.size() <= limit) return Pop();
    Chunk part = first.Slice(0, limit);
    first.RemovePrefix(limit);
    bytes_ -= limit;
    return part;
  }
  void Clear() {
    chunks_.clear();
    head_ = 0;
    bytes_ = 0;
  }

 private:
  static constexpr std::size_t kSmall =
      2048;  // below this a copy is cheaper than one more piece to write
  static constexpr std::size_t kWastefulness =
      4;  // a slice may keep this many times its size alive

  bool TakeIn(Chunk& chunk) {
    Chunk& last = chunks_.back();
    if (chunk.size() <= kSmall && last.writable().size() >= chunk.size()) {
      last.Append(chunk.bytes());
      return true;
    }
    if (chunk.size() * kWastefulness < chunk.footprint()) {
      Chunk own = Chunk::Allocate(chunk.size() < kSmall ? kSmall : chunk.size());
      own.Append(chunk.bytes());
      chunk = std::move(own);
    }
    return false;
  }
  void Restart() {
    chunks_.clear();
    head_ = 0;
    if (chunks_.capacity() > kKeptSlots) chunks_.shrink_to_fit();
  }

  static constexpr std::size_t kKeptSlots = 16;

  std::vector<Chunk> chunks_;
  std::size_t head_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace aquifer::http
