// Memory that carries the bytes of connections: reference-counted blocks in a few sizes, cached by
// thread. A block is filled once by a read and then only read, so that slices of it
// (core/io/chunk.h) travel from socket to socket without a copy. Reference counts are plain
// integers: a block stays on the thread that made it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace aquifer {

class Block {
 public:
  // Room kept free in front of what is read, so that a frame header can be written before the
  // payload without a copy.
  static constexpr std::size_t kHeadroom = 64;
  // What one pooled read takes in at most.
  static constexpr std::size_t kReadBytes = 16 * 1024;

  // A block with at least `capacity` bytes and one reference. Out of memory aborts.
  static Block* Allocate(std::size_t capacity);

  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  std::uint8_t* data() { return reinterpret_cast<std::uint8_t*>(this + 1); }
  std::size_t capacity() const { return capacity_; }
  bool unique() const { return references_ == 1; }
  void Ref() { ++references_; }
  void Unref() {
    if (--references_ == 0) Free(this);
  }

 private:
  friend class BlockCache;
  Block() = default;
  ~Block() = default;
  static void Free(Block* block);

  Block* next_ = nullptr;
  std::uint32_t references_ = 1;
  std::uint32_t capacity_ = 0;
};

}  // namespace aquifer
