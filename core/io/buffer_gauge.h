// How much memory the connections of one contender (a pod) hold for bytes that somebody else has
// yet to take, out of what all contenders of a loop may hold. A gauge is full when its own part is
// more than twice what is left free: alone it may have two thirds, and whoever comes next finds
// room. Who is full gives no more credit ahead of its readers; nothing is dropped. One thread: its
// Loop's. The pool outlives its gauges.
#pragma once

#include <cstddef>
#include <functional>
#include <utility>

#include "core/base/check.h"

namespace aquifer::io {

class BufferPool {
 public:
  explicit BufferPool(std::size_t bytes) : bytes_(bytes) {}
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  std::size_t used() const { return used_; }
  std::size_t free() const { return used_ < bytes_ ? bytes_ - used_ : 0; }

 private:
  friend class BufferGauge;
  const std::size_t bytes_;
  std::size_t used_ = 0;
};

class BufferGauge {
 public:
  // `on_full` is called whenever it becomes full.
  explicit BufferGauge(BufferPool& pool, std::function<void()> on_full = nullptr)
      : pool_(pool), on_full_(std::move(on_full)) {}
  BufferGauge(const BufferGauge&) = delete;
  BufferGauge& operator=(const BufferGauge&) = delete;
  ~BufferGauge() { AQ_CHECK(held_ == 0); }

  void Add(std::size_t bytes) {
    held_ += bytes;
    pool_.used_ += bytes;
    const bool full = held_ > 2 * pool_.free();
    if (full && !std::exchange(full_, true) && on_full_) on_full_();
  }
  void Remove(std::size_t bytes) {
    AQ_DCHECK(bytes <= held_);
    held_ -= bytes;
    pool_.used_ -= bytes;
  }
  // Not before there is some room, or it would be full again, and tell, with each chunk.
  bool full() {
    if (full_ && held_ + held_ / 8 <= 2 * pool_.free()) full_ = false;
    return full_;
  }
  std::size_t held() const { return held_; }

 private:
  BufferPool& pool_;
  const std::function<void()> on_full_;
  std::size_t held_ = 0;
  bool full_ = false;
};

}  // namespace aquifer::io
