// One kernel operation as a value: what to do, and what came of it. Backends (core/rt/backend.h)
// turn it into system calls. It lives in the frame of the coroutine that awaits it
// (core/rt/await.h) and stays put until its completion has come: the kernel may write through its
// pointers until then.
#pragma once

#include <sys/socket.h>

#include <coroutine>
#include <cstdint>

namespace aquifer {

class Block;

enum class OpKind : std::uint8_t {
  kAccept,       // fd = listener; result = new descriptor
  kConnect,      // fd, address; of TCP: a Unix listener's full queue is nothing to wait for
  kRecv,         // fd, data, size, flags; result = bytes
  kRecvPooled,   // fd; result = bytes, block = the buffer that the kernel picked; no memory is tied
                 // up while waiting
  kSend,         // fd, data, size; result = bytes, all of them unless the connection broke
  kSendMessage,  // fd, message
  kRecvMessage,  // fd, message
  kPoll,         // fd, poll_events; result = ready events
  kRead,         // fd, data, size: files, eventfd, signalfd, inotify
};

struct Op {
  OpKind kind = OpKind::kPoll;
  int fd = -1;
  int flags = 0;
  void* data = nullptr;
  std::size_t size = 0;
  msghdr* message = nullptr;
  const sockaddr* address = nullptr;
  socklen_t address_length = 0;
  unsigned poll_events = 0;

  // Set by the backend: bytes, a descriptor, 0, or a negative errno.
  int result = 0;
  Block* block = nullptr;  // kRecvPooled: owned by whoever takes the result
  bool in_flight = false;
  bool cancelled = false;  // since it was submitted
  std::coroutine_handle<> waiter;
};

}  // namespace aquifer
