// The io_uring backend: one ring, submissions batched by turn, completions reaped in batches,
// receive buffers picked by the kernel from a ring of blocks that is refilled at once, so that an
// idle connection owns no buffer.
#include <liburing.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "core/base/check.h"
#include "core/rt/backend.h"
#include "core/rt/block.h"

namespace aquifer {
namespace {

constexpr unsigned kPooledBlocks =
    64;  // a power of two; 1 MiB a worker, replaced as they are taken
constexpr int kBufferGroup = 0;
constexpr unsigned kReapBatch = 64;
constexpr std::array kOpcodes = {
    IORING_OP_ACCEPT,  IORING_OP_CONNECT, IORING_OP_RECV,         IORING_OP_SEND,
    IORING_OP_SENDMSG, IORING_OP_RECVMSG, IORING_OP_POLL_ADD,     IORING_OP_READ,
    IORING_OP_NOP,     IORING_OP_TIMEOUT, IORING_OP_ASYNC_CANCEL,
};
// Submissions are never lost, operations wait by polling, waits have a deadline of their own.
constexpr unsigned kFeatures = IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG;

// That descriptors have run out says nothing about io_uring; whatever else makes it fail when it is
// set up does, lockable memory included.
Error Refused(int error) {
  const bool exhausted = error == EMFILE || error == ENFILE;
  return Error{exhausted ? ReasonFromErrno(error) : Reason::kUnsupported, error};
}

// The blocks that the kernel may fill next.
class ReceiveRing {
 public:
  ReceiveRing() = default;
  ReceiveRing(const ReceiveRing&) = delete;
  ReceiveRing& operator=(const ReceiveRing&) = delete;
  ~ReceiveRing() {
    for (Block* block : blocks_) {
      if (block != nullptr) block->Unref();
    }
    std::free(ring_);
  }

  int Register(io_uring& uring) {
    const size_t bytes = kPooledBlocks * sizeof(io_uring_buf);
    if (::posix_memalign(reinterpret_cast<void**>(&ring_), 4096, std::max<size_t>(bytes, 4096)) !=
        0)
      return -ENOMEM;
    io_uring_buf_ring_init(ring_);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<__u64>(ring_);
    registration.ring_entries = kPooledBlocks;
    registration.bgid = kBufferGroup;
    const int registered = io_uring_register_buf_ring(&uring, &registration, 0);
    if (registered < 0) return registered;
    for (unsigned id = 0; id < kPooledBlocks; ++id) Fill(id);
    return 0;
  }

  // Takes the block that the kernel filled and puts a fresh one in its place.
  Block* Take(unsigned id) {
    AQ_CHECK(id < kPooledBlocks);
    Block* const taken = blocks_[id];
    Fill(id);
    return taken;
  }

 private:
  void Fill(unsigned id) {
    blocks_[id] = Block::Allocate(Block::kReadBytes + Block::kHeadroom);
    io_uring_buf_ring_add(ring_, blocks_[id]->data() + Block::kHeadroom, Block::kReadBytes,
                          static_cast<unsigned short>(id), io_uring_buf_ring_mask(kPooledBlocks),
                          0);
    io_uring_buf_ring_advance(ring_, 1);
  }

  io_uring_buf_ring* ring_ = nullptr;
  std::array<Block*, kPooledBlocks> blocks_{};
};

class UringBackend final : public Backend {
 public:
  UringBackend() = default;
  UringBackend(const UringBackend&) = delete;
  UringBackend& operator=(const UringBackend&) = delete;
  ~UringBackend() override {
    if (ready_) io_uring_queue_exit(&ring_);
  }

  Status Open(unsigned entries) {
    io_uring_params params{};
    params.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                   IORING_SETUP_SUBMIT_ALL;
    params.cq_entries = entries * 4;
    const int opened = io_uring_queue_init_params(entries, &ring_, &params);
    if (opened < 0) return Refused(-opened);
    ready_ = true;
    io_uring_ring_dontfork(&ring_);
    if ((params.features & kFeatures) != kFeatures) return Refused(EOPNOTSUPP);
    const int registered = receive_.Register(ring_);
    if (registered < 0) return Refused(-registered);
    AQ_TRY_STATUS(ProbeOpcodes());
    return ProbeEntering();
  }

  void Submit(Op& op) override {
    op.cancelled = false;
    io_uring_sqe* const sqe = NextEntry();
    Prepare(*sqe, op);
    io_uring_sqe_set_data(sqe, &op);
  }

  void Cancel(Op& op) override {
    op.cancelled = true;
    io_uring_sqe* const sqe = NextEntry();
    io_uring_prep_cancel(sqe, &op, 0);
    io_uring_sqe_set_data(sqe, nullptr);  // the operation's own completion is the one that counts
  }

  void Wait(TimePoint deadline, CompletionSink& sink) override {
    Enter(deadline);
    std::array<io_uring_cqe*, kReapBatch> batch{};
    while (const unsigned count = io_uring_peek_batch_cqe(&ring_, batch.data(), kReapBatch)) {
      for (unsigned i = 0; i < count; ++i) Complete(*batch[i], sink);
      io_uring_cq_advance(&ring_, count);
      if (count < kReapBatch) break;
    }
    for (Op* op : retry_) Submit(*op);
    retry_.clear();
  }

 private:
  Status ProbeOpcodes() {
    constexpr unsigned kMost = 256;
    alignas(io_uring_probe)
        std::array<char, sizeof(io_uring_probe) + kMost * sizeof(io_uring_probe_op)>
            room{};
    auto* const probe = reinterpret_cast<io_uring_probe*>(room.data());
    const int probed = io_uring_register_probe(&ring_, probe, kMost);
    if (probed < 0) return Refused(-probed);
    for (const auto opcode : kOpcodes) {
      if (io_uring_opcode_supported(probe, opcode) == 0) return Refused(EOPNOTSUPP);
    }
    return Status();
  }

  // A filter of system calls may let a ring be made and not let it be entered.
  Status ProbeEntering() {
    io_uring_sqe* const sqe = NextEntry();
    io_uring_prep_nop(sqe);
    io_uring_sqe_set_data(sqe, nullptr);
    int entered = 0;
    do {
      entered = io_uring_submit_and_wait(&ring_, 1);
    } while (entered == -EINTR);
    if (entered < 0) return Refused(-entered);
    io_uring_cq_advance(&ring_, io_uring_cq_ready(&ring_));
    return Status();
  }

  io_uring_sqe* NextEntry() {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    while (sqe == nullptr) {
      const int submitted = io_uring_submit(&ring_);
      AQ_CHECK(submitted >= 0 || submitted == -EINTR || submitted == -EAGAIN ||
               submitted == -EBUSY);
      sqe = io_uring_get_sqe(&ring_);
    }
    return sqe;
  }

  static void Prepare(io_uring_sqe& sqe, Op& op) {
    switch (op.kind) {
      case OpKind::kAccept:
        return io_uring_prep_accept(&sqe, op.fd, nullptr, nullptr, SOCK_CLOEXEC);
      case OpKind::kConnect:
        return io_uring_prep_connect(&sqe, op.fd, op.address, op.address_length);
      case OpKind::kRecv:
        return io_uring_prep_recv(&sqe, op.fd, op.data, op.size, op.flags);
      case OpKind::kRecvPooled:
        io_uring_prep_recv(&sqe, op.fd, nullptr, Block::kReadBytes, op.flags);
        sqe.flags |= IOSQE_BUFFER_SELECT;
        sqe.buf_group = kBufferGroup;
        return;
      case OpKind::kSend:
        return io_uring_prep_send(&sqe, op.fd, op.data, op.size,
                                  op.flags | MSG_NOSIGNAL | MSG_WAITALL);
      case OpKind::kSendMessage:
        return io_uring_prep_sendmsg(&sqe, op.fd, op.message,
                                     static_cast<unsigned>(op.flags | MSG_NOSIGNAL | MSG_WAITALL));
      case OpKind::kRecvMessage:
        return io_uring_prep_recvmsg(&sqe, op.fd, op.message, static_cast<unsigned>(op.flags));
      case OpKind::kPoll:
        return io_uring_prep_poll_add(&sqe, op.fd, op.poll_events);
      case OpKind::kRead:
        return io_uring_prep_read(&sqe, op.fd, op.data, static_cast<unsigned>(op.size), 0);
    }
  }

  void Enter(TimePoint deadline) {
    int entered = 0;
    if (io_uring_cq_ready(&ring_) > 0 || deadline <= TimePoint::min()) {
      entered = io_uring_submit_and_get_events(&ring_);
    } else if (deadline == TimePoint::max()) {
      entered = io_uring_submit_and_wait(&ring_, 1);
    } else {
      const auto left = std::max(Clock::duration::zero(), deadline - Clock::now());
      const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
      __kernel_timespec timeout{nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
      io_uring_cqe* ignored = nullptr;
      entered = io_uring_submit_and_wait_timeout(&ring_, &ignored, 1, &timeout, nullptr);
    }
    AQ_CHECK(entered >= 0 || entered == -EINTR || entered == -ETIME || entered == -EAGAIN ||
             entered == -EBUSY);
  }

  void Complete(const io_uring_cqe& cqe, CompletionSink& sink) {
    auto* const op = static_cast<Op*>(io_uring_cqe_get_data(&cqe));
    if (op == nullptr) return;
    op->result = cqe.res;
    if (op->kind == OpKind::kRecvPooled) {
      op->block = nullptr;
      // More completions in one batch than blocks; they are refilled by now. The kernel has
      // forgotten an operation that was cancelled meanwhile: nobody would cancel it again.
      if (cqe.res == -ENOBUFS && !op->cancelled) return retry_.push_back(op);
      if (cqe.res == -ENOBUFS) op->result = -ECANCELED;
      if ((cqe.flags & IORING_CQE_F_BUFFER) != 0)
        op->block = receive_.Take(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
    }
    sink.OnComplete(*op);
  }

  io_uring ring_{};
  bool ready_ = false;
  ReceiveRing receive_;
  std::vector<Op*> retry_;
};

}  // namespace

Result<std::unique_ptr<Backend>> MakeUringBackend(unsigned entries) {
  auto backend = std::make_unique<UringBackend>();
  AQ_TRY_STATUS(backend->Open(entries));
  return Result<std::unique_ptr<Backend>>(std::move(backend));
}

}  // namespace aquifer
