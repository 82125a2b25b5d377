#include "core/rt/frame_pool.h"

#include <array>
#include <new>

#include "core/base/check.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define AQ_FRAME_POOL_OFF 1  // a reused frame would hide a use after free
#endif
#endif

namespace aquifer {
namespace {

constexpr std::size_t kStep = 64;
constexpr std::size_t kClasses = 32;  // pooled up to 2 KiB; larger frames are rare and go to malloc
// Per class and thread: what is kept after a burst. Each kept frame may be the last one of its
// page, so that little kept can hold much memory back.
constexpr std::size_t kKeptBytes = 32 * 1024;

struct FreeFrameNode {
  FreeFrameNode* next;
};

struct Class {
  FreeFrameNode* head = nullptr;
  std::size_t count = 0;
};

class Pool {
 public:
  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    for (Class& c : classes_) {
      while (c.head != nullptr) {
        FreeFrameNode* const node = c.head;
        c.head = node->next;
        ::operator delete(node);
      }
    }
  }

  void* Take(std::size_t index) {
    Class& c = classes_[index];
    if (c.head == nullptr) return ::operator new((index + 1) * kStep);
    FreeFrameNode* const node = c.head;
    c.head = node->next;
    --c.count;
    return node;
  }

  void Give(void* frame, std::size_t index) {
    Class& c = classes_[index];
    if (c.count * (index + 1) * kStep >= kKeptBytes) {
      ::operator delete(frame);
      return;
    }
    auto* const node = static_cast<FreeFrameNode*>(frame);
    node->next = c.head;
    c.head = node;
    ++c.count;
  }

 private:
  std::array<Class, kClasses> classes_{};
};

#ifndef AQ_FRAME_POOL_OFF
thread_local Pool pool;
#endif

}  // namespace

void* AllocateFrame(std::size_t bytes) {
#ifndef AQ_FRAME_POOL_OFF
  const std::size_t index = (bytes - 1) / kStep;
  if (index < kClasses) return pool.Take(index);
#endif
  return ::operator new(bytes);
}

void FreeFrame(void* frame, [[maybe_unused]] std::size_t bytes) {
#ifndef AQ_FRAME_POOL_OFF
  const std::size_t index = (bytes - 1) / kStep;
  if (index < kClasses) return pool.Give(frame, index);
#endif
  ::operator delete(frame);
}

}  // namespace aquifer
