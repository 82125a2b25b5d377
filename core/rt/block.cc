#include "core/rt/block.h"

#include <array>
#include <new>

#include "core/base/check.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define AQ_BLOCK_CACHE_OFF 1  // a reused block would hide a use after free
#endif
#endif

namespace aquifer {
namespace {

constexpr std::array<std::size_t, 5> kSizes = {512, 4096, Block::kReadBytes + Block::kHeadroom,
                                               64 * 1024 + Block::kHeadroom,
                                               256 * 1024 + Block::kHeadroom};
// What a thread keeps of each size when it is not in use: enough for a busy proxy, little enough to
// be idle with. Of small blocks less: each may be the last one of its page.
constexpr std::array<std::size_t, kSizes.size()> kKeptBytes = {32 * 1024, 128 * 1024, 512 * 1024,
                                                               512 * 1024, 512 * 1024};
constexpr std::size_t kNoClass = kSizes.size();

std::size_t ClassOf(std::size_t capacity) {
  std::size_t index = 0;
  while (index < kSizes.size() && kSizes[index] < capacity) ++index;
  return index;
}

}  // namespace

class BlockCache {
 public:
  BlockCache() = default;
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;
  ~BlockCache() {
    for (Block*& head : heads_) {
      while (head != nullptr) {
        Block* const block = head;
        head = block->next_;
        ::operator delete(block);
      }
    }
  }

  static Block* New(std::size_t capacity) {
    auto* const block = new (::operator new(sizeof(Block) + capacity)) Block();
    block->capacity_ = static_cast<std::uint32_t>(capacity);
    return block;
  }

  Block* Take(std::size_t index) {
    Block* const block = heads_[index];
    if (block == nullptr) return New(kSizes[index]);
    heads_[index] = block->next_;
    --counts_[index];
    block->references_ = 1;
    return block;
  }

  void Give(Block* block) {
    const std::size_t index = ClassOf(block->capacity_);
    if (index == kNoClass || kSizes[index] != block->capacity_ ||
        counts_[index] * kSizes[index] >= kKeptBytes[index]) {
      ::operator delete(block);
      return;
    }
    block->next_ = heads_[index];
    heads_[index] = block;
    ++counts_[index];
  }

 private:
  std::array<Block*, kSizes.size()> heads_{};
  std::array<std::size_t, kSizes.size()> counts_{};
};

#ifndef AQ_BLOCK_CACHE_OFF
static thread_local BlockCache block_cache;
#endif

Block* Block::Allocate(std::size_t capacity) {
  AQ_CHECK(capacity < (std::size_t{1} << 31));
#ifndef AQ_BLOCK_CACHE_OFF
  const std::size_t index = ClassOf(capacity);
  if (index != kNoClass) return block_cache.Take(index);
#endif
  return BlockCache::New(capacity);
}

void Block::Free(Block* block) {
#ifndef AQ_BLOCK_CACHE_OFF
  block_cache.Give(block);
#else
  ::operator delete(block);
#endif
}

}  // namespace aquifer
