// The epoll backend, for kernels and sandboxes that refuse io_uring. What an operation asks for is
// tried when it is submitted; what the kernel has nothing for yet waits until its descriptor is
// ready and is tried again. Completions are handed out by Wait only, so nothing that is always
// ready keeps others from their turn, and a receive that waits owns no buffer.
//
// A descriptor is armed for one event at a time (EPOLLONESHOT): backends are not told when one is
// closed, and a number that comes back as another file must find nothing armed that counts. The
// descriptors are blocking ones, as io_uring wants them, and their open files may be shared: each
// call says for itself that it must not wait (MSG_DONTWAIT).
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <deque>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/base/last_error.h"
#include "core/base/unique_fd.h"
#include "core/rt/backend.h"
#include "core/rt/block.h"

namespace aquifer {
namespace {

constexpr int kEventBatch = 128;
constexpr std::size_t kGather = 64;
// Not a result: the kernel has nothing for the operation yet.
constexpr int kNotYet = INT_MIN;
constexpr unsigned kAlwaysTold = EPOLLERR | EPOLLHUP;

// An operation that waits for its descriptor.
struct Waiter {
  Op* op = nullptr;
  Waiter* next = nullptr;
  std::size_t done = 0;  // bytes sent or received so far; of a connect: 1 once it has begun
};

// What is known of a descriptor's number; of the file behind it only while something waits.
struct Entry {
  Waiter* first = nullptr;
  std::uint32_t generation = 0;  // one more whenever the last waiter has gone
  std::uint32_t armed : 31 = 0;  // events that the kernel will tell of
  std::uint32_t known : 1 = 0;   // most likely registered already
};

unsigned EventsOf(const Op& op) {
  switch (op.kind) {
    case OpKind::kAccept:
    case OpKind::kRecv:
    case OpKind::kRecvPooled:
    case OpKind::kRecvMessage:
    case OpKind::kRead:
      return EPOLLIN;
    case OpKind::kConnect:
    case OpKind::kSend:
    case OpKind::kSendMessage:
      return EPOLLOUT;
    case OpKind::kPoll:
      return op.poll_events;
  }
  return 0;
}

// Reads of files and accepts have no way to say that they must not wait, so they are made when the
// descriptor is ready; a poll is nothing but a wait.
bool IsTriedFirst(OpKind kind) {
  return kind != OpKind::kAccept && kind != OpKind::kRead && kind != OpKind::kPoll;
}

// Asked not to wait at all.
bool IsImpatient(const Op& op) {
  return IsTriedFirst(op.kind) && op.kind != OpKind::kConnect && (op.flags & MSG_DONTWAIT) != 0;
}

bool MovesBytes(OpKind kind) {
  return kind == OpKind::kSend || kind == OpKind::kSendMessage || kind == OpKind::kRecv;
}

template <class Call>
ssize_t Uninterrupted(Call&& call) {
  ssize_t result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

bool WouldWait() { return errno == EAGAIN || errno == EWOULDBLOCK; }

// After a call that failed: what was moved before counts, and the next call hears of the error.
int Broken(std::size_t done) { return done > 0 ? static_cast<int>(done) : -errno; }

int Accept(int fd) {
  const ssize_t accepted =
      Uninterrupted([fd] { return ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC); });
  if (accepted >= 0) return static_cast<int>(accepted);
  return WouldWait() ? kNotYet : -errno;
}

// Somebody who shares the listener may be faster, and an accept cannot say that it must not wait:
// the socket itself bounds it to one tick. O_NONBLOCK would be seen by those who share it.
void BoundAccept(int fd) {
  const timeval tick{.tv_sec = 0, .tv_usec = 1};
  static_cast<void>(::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof tick));
}

int StartConnect(const Op& op) {
  const int flags = ::fcntl(op.fd, F_GETFL);
  if (flags < 0) return -errno;
  const bool blocking = (flags & O_NONBLOCK) == 0;
  if (blocking) static_cast<void>(::fcntl(op.fd, F_SETFL, flags | O_NONBLOCK));
  const int connected = ::connect(op.fd, op.address, op.address_length) == 0 ? 0 : -errno;
  if (blocking) static_cast<void>(::fcntl(op.fd, F_SETFL, flags));
  return connected;
}

int Connect(const Op& op, std::size_t& begun) {
  if (begun == 0) {
    const int connected = StartConnect(op);
    if (connected != -EINPROGRESS && connected != -EINTR) return connected;
    begun = 1;
    return kNotYet;
  }
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(op.fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return -errno;
  return -error;
}

int Receive(const Op& op, std::size_t& done) {
  while (true) {
    const ssize_t got = Uninterrupted([&] {
      return ::recv(op.fd, static_cast<std::uint8_t*>(op.data) + done, op.size - done,
                    op.flags | MSG_DONTWAIT);
    });
    if (got < 0) return WouldWait() ? kNotYet : Broken(done);
    done += static_cast<std::size_t>(got);
    if (got == 0 || done == op.size || (op.flags & MSG_WAITALL) == 0) return static_cast<int>(done);
  }
}

int ReceiveMessage(const Op& op) {
  const ssize_t got =
      Uninterrupted([&op] { return ::recvmsg(op.fd, op.message, op.flags | MSG_DONTWAIT); });
  if (got >= 0) return static_cast<int>(got);
  return WouldWait() ? kNotYet : -errno;
}

int Send(const Op& op, std::size_t& done) {
  const ssize_t sent = Uninterrupted([&] {
    return ::send(op.fd, static_cast<const std::uint8_t*>(op.data) + done, op.size - done,
                  op.flags | MSG_NOSIGNAL | MSG_DONTWAIT);
  });
  if (sent < 0) return WouldWait() ? kNotYet : Broken(done);
  done += static_cast<std::size_t>(sent);
  return done < op.size ? kNotYet : static_cast<int>(done);  // less than asked for: it is full now
}

std::size_t SizeOf(const msghdr& message) {
  std::size_t size = 0;
  for (std::size_t i = 0; i < message.msg_iovlen; ++i) size += message.msg_iov[i].iov_len;
  return size;
}

// What is left of `message` behind its first `done` bytes, as far as `parts` take it. Descriptors
// go with the first byte.
msghdr Rest(const msghdr& message, std::size_t done, std::array<iovec, kGather>& parts) {
  msghdr rest = message;
  rest.msg_control = nullptr;
  rest.msg_controllen = 0;
  rest.msg_iov = parts.data();
  rest.msg_iovlen = 0;
  for (std::size_t i = 0; i < message.msg_iovlen && rest.msg_iovlen < parts.size(); ++i) {
    const iovec& part = message.msg_iov[i];
    const std::size_t skipped = std::min(done, part.iov_len);
    done -= skipped;
    if (skipped == part.iov_len) continue;
    parts[rest.msg_iovlen++] = {static_cast<std::uint8_t*>(part.iov_base) + skipped,
                                part.iov_len - skipped};
  }
  return rest;
}

int SendMessage(const Op& op, std::size_t& done) {
  const std::size_t size = SizeOf(*op.message);
  while (true) {
    std::array<iovec, kGather> parts;
    const msghdr message = done == 0 ? *op.message : Rest(*op.message, done, parts);
    const ssize_t sent = Uninterrupted(
        [&] { return ::sendmsg(op.fd, &message, op.flags | MSG_NOSIGNAL | MSG_DONTWAIT); });
    if (sent < 0) return WouldWait() ? kNotYet : Broken(done);
    done += static_cast<std::size_t>(sent);
    if (done >= size) return static_cast<int>(done);
    if (static_cast<std::size_t>(sent) < SizeOf(message)) return kNotYet;
  }
}

// At the file's beginning, as the io_uring backend reads it; what has no positions is just read.
int Read(const Op& op) {
  ssize_t got = Uninterrupted([&op] { return ::pread(op.fd, op.data, op.size, 0); });
  if (got < 0 && errno == ESPIPE)
    got = Uninterrupted([&op] { return ::read(op.fd, op.data, op.size); });
  if (got >= 0) return static_cast<int>(got);
  return WouldWait() ? kNotYet : -errno;
}

class EpollBackend final : public Backend {
 public:
  EpollBackend() = default;
  EpollBackend(const EpollBackend&) = delete;
  EpollBackend& operator=(const EpollBackend&) = delete;
  ~EpollBackend() override {
    if (spare_ != nullptr) spare_->Unref();
  }

  Status Open() {
    epoll_.Reset(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll_.valid()) return LastError();
    return Status();
  }

  void Submit(Op& op) override {
    op.cancelled = false;
    op.block = nullptr;
    if (op.fd < 0) return Finish(op, -EBADF);
    Entry& entry = EntryOf(op.fd);
    std::size_t done = 0;
    if (IsTriedFirst(op.kind) && (IsImpatient(op) || !IsQueued(entry, EventsOf(op)))) {
      const int result = Try(op, done);
      if (result != kNotYet) return Finish(op, result);
    }
    Enqueue(entry, op, done);
  }

  void Cancel(Op& op) override {
    op.cancelled = true;
    if (op.fd < 0) return;
    Entry& entry = EntryOf(op.fd);
    Waiter** at = &entry.first;
    while (*at != nullptr && (*at)->op != &op) at = &(*at)->next;
    if (*at == nullptr) return;  // it has its result
    const std::size_t done = MovesBytes(op.kind) ? (*at)->done : 0;
    Remove(entry, at);
    Finish(op, done > 0 ? static_cast<int>(done) : -ECANCELED);
  }

  void Wait(TimePoint deadline, CompletionSink& sink) override {
    std::array<epoll_event, kEventBatch> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), kEventBatch, Timeout(deadline));
    AQ_CHECK(count >= 0 || errno == EINTR);
    for (int i = 0; i < count; ++i) OnEvent(events[static_cast<std::size_t>(i)]);
    handed_.swap(completed_);
    for (Op* const op : handed_) sink.OnComplete(*op);
    handed_.clear();
  }

 private:
  // Whole milliseconds, and never too early: a timer that is not due yet would be waited for anew.
  int Timeout(TimePoint deadline) const {
    if (!completed_.empty() || deadline <= TimePoint::min()) return 0;
    if (deadline == TimePoint::max()) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
  }

  Entry& EntryOf(int fd) {
    const auto index = static_cast<std::size_t>(fd);
    if (index >= entries_.size()) entries_.resize(std::max(index + 1, 2 * entries_.size()));
    return entries_[index];
  }

  // One that waits already goes before.
  static bool IsQueued(const Entry& entry, unsigned events) {
    for (const Waiter* each = entry.first; each != nullptr; each = each->next) {
      if (each->op->kind != OpKind::kPoll && EventsOf(*each->op) == events) return true;
    }
    return false;
  }

  int Try(Op& op, std::size_t& done) {
    const int result = TryOnce(op, done);
    if (result != kNotYet || !IsImpatient(op)) return result;
    return done > 0 ? static_cast<int>(done) : -EAGAIN;
  }

  int TryOnce(Op& op, std::size_t& done) {
    switch (op.kind) {
      case OpKind::kAccept:
        return TakeAccepted(Accept(op.fd));
      case OpKind::kConnect:
        return Connect(op, done);
      case OpKind::kRecv:
        return Receive(op, done);
      case OpKind::kRecvPooled:
        return ReceivePooled(op);
      case OpKind::kSend:
        return Send(op, done);
      case OpKind::kSendMessage:
        return SendMessage(op, done);
      case OpKind::kRecvMessage:
        return ReceiveMessage(op);
      case OpKind::kRead:
        return Read(op);
      case OpKind::kPoll:
        break;
    }
    return kNotYet;
  }

  // A number that was just given out is registered nowhere.
  int TakeAccepted(int accepted) {
    if (accepted >= 0 && static_cast<std::size_t>(accepted) < entries_.size())
      entries_[static_cast<std::size_t>(accepted)].known = 0;
    return accepted;
  }

  int ReceivePooled(Op& op) {
    if (spare_ == nullptr) spare_ = Block::Allocate(Block::kReadBytes + Block::kHeadroom);
    const ssize_t got = Uninterrupted([&] {
      return ::recv(op.fd, spare_->data() + Block::kHeadroom, Block::kReadBytes,
                    op.flags | MSG_DONTWAIT);
    });
    if (got < 0) return WouldWait() ? kNotYet : -errno;
    if (got > 0) op.block = std::exchange(spare_, nullptr);
    return static_cast<int>(got);
  }

  void Finish(Op& op, int result) {
    op.result = result;
    completed_.push_back(&op);
  }

  void Enqueue(Entry& entry, Op& op, std::size_t done) {
    if (op.kind == OpKind::kAccept) BoundAccept(op.fd);
    if (op.kind == OpKind::kConnect) entry.known = 0;
    Waiter** at = &entry.first;
    while (*at != nullptr) at = &(*at)->next;
    *at = NewWaiter(op, done);
    const int armed = Arm(op.fd, entry);
    if (armed == 0) return;
    Remove(entry, at);
    Finish(op, armed == -EPERM ? OfFile(op) : armed);
  }

  // What epoll does not take is a regular file or a directory, which is always ready.
  int OfFile(Op& op) {
    if (op.kind == OpKind::kPoll)
      return static_cast<int>(op.poll_events & (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM));
    std::size_t done = 0;
    const int result = TryOnce(op, done);
    return result == kNotYet ? -EPERM : result;
  }

  // Has the kernel tell of all that is waited for, once. It looks at the descriptor as it does so.
  int Arm(int fd, Entry& entry) {
    unsigned wanted = 0;
    for (const Waiter* each = entry.first; each != nullptr; each = each->next)
      wanted |= EventsOf(*each->op);
    if (entry.armed != 0 && (wanted & ~entry.armed) == 0) return 0;
    epoll_event event{};
    event.events = wanted | EPOLLONESHOT;
    event.data.u64 =
        (static_cast<std::uint64_t>(entry.generation) << 32) | static_cast<std::uint32_t>(fd);
    int how = entry.known != 0 ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    int armed = ::epoll_ctl(epoll_.get(), how, fd, &event);
    if (armed != 0 && (errno == ENOENT || errno == EEXIST)) {
      how = errno == ENOENT ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
      armed = ::epoll_ctl(epoll_.get(), how, fd, &event);
    }
    if (armed != 0) return -errno;
    entry.known = 1;
    entry.armed = wanted | kAlwaysTold;
    return 0;
  }

  void OnEvent(const epoll_event& event) {
    const int fd = static_cast<int>(event.data.u64 & 0xffffffff);
    Entry& entry = EntryOf(fd);
    if (entry.generation != event.data.u64 >> 32) return;  // whoever waited for it has gone
    entry.armed = 0;
    Waiter** at = &entry.first;
    while (*at != nullptr) {
      Waiter& waiter = **at;
      const int result = Answer(waiter, event.events);
      if (result == kNotYet) {
        at = &waiter.next;
        continue;
      }
      Op& op = *waiter.op;
      Remove(entry, at);
      Finish(op, result);
    }
    if (entry.first == nullptr) return;
    const int armed = Arm(fd, entry);
    while (armed != 0 && entry.first != nullptr) {
      Op& op = *entry.first->op;
      Remove(entry, &entry.first);
      Finish(op, armed);
    }
  }

  int Answer(Waiter& waiter, unsigned ready) {
    Op& op = *waiter.op;
    const unsigned told = ready & (EventsOf(op) | kAlwaysTold);
    if (told == 0) return kNotYet;
    if (op.kind == OpKind::kPoll) return static_cast<int>(told);
    return Try(op, waiter.done);
  }

  Waiter* NewWaiter(Op& op, std::size_t done) {
    Waiter* waiter = free_;
    if (waiter == nullptr) {
      waiter = &waiters_.emplace_back();
    } else {
      free_ = waiter->next;
    }
    *waiter = {.op = &op, .next = nullptr, .done = done};
    return waiter;
  }

  // Once nothing waits, the descriptor may be closed and its number belong to another file: nothing
  // that was armed counts any more.
  void Remove(Entry& entry, Waiter** at) {
    Waiter* const waiter = *at;
    *at = waiter->next;
    waiter->next = free_;
    free_ = waiter;
    if (entry.first != nullptr) return;
    ++entry.generation;
    entry.armed = 0;
  }

  UniqueFd epoll_;
  std::vector<Entry> entries_;  // by descriptor
  std::deque<Waiter> waiters_;
  Waiter* free_ = nullptr;
  Block* spare_ = nullptr;  // for the next receive that gets something
  std::vector<Op*> completed_;
  std::vector<Op*> handed_;
};

}  // namespace

Result<std::unique_ptr<Backend>> MakeEpollBackend() {
  auto backend = std::make_unique<EpollBackend>();
  AQ_TRY_STATUS(backend->Open());
  return Result<std::unique_ptr<Backend>>(std::move(backend));
}

}  // namespace aquifer
