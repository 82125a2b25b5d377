// How much of the process one pod may take, so that neither it nor its peers use up what all others
// need: a part (core/base/parts.h) that shrinks as others need theirs. Counted over all workers
// without a lock: relaxed counters, which may run over by a few when workers admit at the same
// moment; the reserve has room for that. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "core/io/socket.h"

namespace aquifer::node {

enum class Bound : std::uint8_t {
  kDescriptors,  // sockets: accepted, to applications, of tunnels
  kHandshakes,   // HBONE connections of peers that have not proven yet who they are
  kDials,        // connects that the kernel has not answered yet
};
inline constexpr std::size_t kBounds = 3;

// What all pods of the node may have together.
using NodeBounds = std::array<std::size_t, kBounds>;
// Out of as many descriptors as the process may open.
NodeBounds BoundsFor(std::size_t descriptors);
// Of the running process.
NodeBounds BoundsOfProcess();

class NodeBudget;

class PodBudget final : public io::SocketCount {
 public:
  PodBudget(NodeBudget& node, std::string uid) : node_(node), uid_(std::move(uid)) {}
  ~PodBudget() override;
  PodBudget(const PodBudget&) = delete;
  PodBudget& operator=(const PodBudget&) = delete;

  // False, and nothing is counted, when the pod has its part.
  bool TryEnter(Bound bound);
  // Whether there is room or not.
  void Enter(Bound bound);
  void Leave(Bound bound);
  std::size_t used(Bound bound) const {
    return used_[Index(bound)].load(std::memory_order_relaxed);
  }

  // --- io::SocketCount ---
  void Return() override { Leave(Bound::kDescriptors); }

 private:
  friend class NodeBudget;
  static std::size_t Index(Bound bound) { return static_cast<std::size_t>(bound); }

  NodeBudget& node_;
  const std::string uid_;
  std::array<std::atomic<std::size_t>, kBounds> used_{};
};

// One thing that is counted, until it dies; or none.
class Place {
 public:
  Place() = default;
  // Of what has been entered.
  Place(std::shared_ptr<PodBudget> pod, Bound bound) : pod_(std::move(pod)), bound_(bound) {}
  Place(Place&&) noexcept = default;
  Place& operator=(Place other) noexcept {
    std::swap(pod_, other.pod_);
    std::swap(bound_, other.bound_);
    return *this;
  }
  ~Place() {
    if (pod_ != nullptr) pod_->Leave(bound_);
  }
  explicit operator bool() const { return pod_ != nullptr; }
  // A descriptor's: it counts for as long as the socket is open.
  void StayWith(io::Socket& socket) && { socket.CountedBy(std::move(pod_)); }

 private:
  std::shared_ptr<PodBudget> pod_;
  Bound bound_ = Bound::kDescriptors;
};

// Outlives its pods.
class NodeBudget {
 public:
  explicit NodeBudget(const NodeBounds& bounds) : bounds_(bounds) {}
  ~NodeBudget();
  NodeBudget(const NodeBudget&) = delete;
  NodeBudget& operator=(const NodeBudget&) = delete;

  // The one of that pod, which its workers share. It lives as long as something of it is counted.
  std::shared_ptr<PodBudget> Of(const std::string& uid);
  // Descriptors that are no pod's to decide on: listeners.
  void Reserve(std::size_t descriptors);
  void Release(std::size_t descriptors);
  std::size_t used(Bound bound) const {
    return used_[static_cast<std::size_t>(bound)].load(std::memory_order_relaxed);
  }

 private:
  friend class PodBudget;
  void Forget(const std::string& uid);

  const NodeBounds bounds_;
  std::array<std::atomic<std::size_t>, kBounds> used_{};
  std::mutex pods_mutex_;  // pods come and go; connections do not take it
  std::map<std::string, std::weak_ptr<PodBudget>> pods_;
};

}  // namespace aquifer::node
