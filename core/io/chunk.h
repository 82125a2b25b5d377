// Chunk: a slice of reference-counted memory (core/rt/block.h), the unit in which bytes travel from
// a read to a write without a copy. Copying a Chunk shares the bytes; they do not change any more
// once there are two owners. Stays on the thread that made it.
#pragma once

#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/rt/block.h"

namespace aquifer {

class Chunk {
 public:
  Chunk() = default;
  Chunk(const Chunk& other) : block_(other.block_), begin_(other.begin_), size_(other.size_) {
    if (block_ != nullptr) block_->Ref();
  }
  Chunk(Chunk&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)),
        begin_(other.begin_),
        size_(std::exchange(other.size_, 0)) {}
  Chunk& operator=(Chunk other) noexcept {
    std::swap(block_, other.block_);
    std::swap(begin_, other.begin_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Chunk() {
    if (block_ != nullptr) block_->Unref();
  }

  // Empty, with room for at least `capacity` bytes behind Block::kHeadroom free ones.
  static Chunk Allocate(std::size_t capacity) {
    return Chunk(Block::Allocate(capacity + Block::kHeadroom), Block::kHeadroom, 0);
  }
  static Chunk CopyOf(Bytes bytes) {
    Chunk chunk = Allocate(bytes.size());
    chunk.Append(bytes);
    return chunk;
  }
  static Chunk CopyOf(std::string_view text) { return CopyOf(AsBytes(text)); }
  // Takes over one reference to `block`, of which `size` bytes from `begin` on are filled.
  static Chunk Adopt(Block* block, std::size_t begin, std::size_t size) {
    return Chunk(block, begin, size);
  }

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  const std::uint8_t* data() const { return block_ == nullptr ? nullptr : block_->data() + begin_; }
  Bytes bytes() const { return {data(), size_}; }
  std::string_view text() const { return AsText(bytes()); }

  // The free room behind the bytes; none when the block is shared.
  std::span<std::uint8_t> writable() {
    if (block_ == nullptr || !block_->unique()) return {};
    const std::size_t end = begin_ + size_;
    return {block_->data() + end, block_->capacity() - end};
  }
  // Makes `count` bytes that were written to writable() part of the chunk.
  void Grow(std::size_t count) {
    AQ_DCHECK(count <= writable().size());
    size_ += static_cast<std::uint32_t>(count);
  }
  // Copies into writable(), which has room for it.
  void Append(Bytes bytes) {
    if (bytes.empty()) return;
    const std::span<std::uint8_t> room = writable();
    AQ_CHECK(room.size() >= bytes.size());
    std::memcpy(room.data(), bytes.data(), bytes.size());
    size_ += static_cast<std::uint32_t>(bytes.size());
  }
  // Copies in front of the bytes if there is unshared headroom; says whether it did.
  bool Prepend(Bytes bytes) {
    if (block_ == nullptr || !block_->unique() || begin_ < bytes.size()) return false;
    begin_ -= static_cast<std::uint32_t>(bytes.size());
    size_ += static_cast<std::uint32_t>(bytes.size());
    std::memcpy(block_->data() + begin_, bytes.data(), bytes.size());
    return true;
  }

  void RemovePrefix(std::size_t count) {
    AQ_DCHECK(count <= size_);
    begin_ += static_cast<std::uint32_t>(count);
    size_ -= static_cast<std::uint32_t>(count);
  }
  // `count` bytes from `offset` on, sharing the memory.
  Chunk Slice(std::size_t offset, std::size_t count) const {
    AQ_DCHECK(offset + count <= size_);
    Chunk slice(*this);
    slice.begin_ += static_cast<std::uint32_t>(offset);
    slice.size_ = static_cast<std::uint32_t>(count);
    return slice;
  }
  // What the chunk keeps alive, for accounts of memory: a small slice of a large block weighs the
  // whole block.
  std::size_t footprint() const { return block_ == nullptr ? 0 : block_->capacity(); }

 private:
  Chunk(Block* block, std::size_t begin, std::size_t size)
      : block_(block),
        begin_(static_cast<std::uint32_t>(begin)),
        size_(static_cast<std::uint32_t>(size)) {}

  Block* block_ = nullptr;
  std::uint32_t begin_ = 0;
  std::uint32_t size_ = 0;
};

}  // namespace aquifer
