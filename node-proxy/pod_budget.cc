#include "node-proxy/pod_budget.h"

#include <sys/resource.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/base/parts.h"

namespace aquifer::node {
namespace {

// Our own: loops, log, control plane, servers, network namespaces.
constexpr std::size_t kReserve = 256;
// A handshake holds some tens of KiB, a connect little but the kernel's patience.
constexpr std::size_t kMostHandshakes = 1536;
constexpr std::size_t kMostDials = 3072;

constexpr auto kRelaxed = std::memory_order_relaxed;

}  // namespace

NodeBounds BoundsFor(std::size_t descriptors) {
  const std::size_t usable = descriptors > 2 * kReserve ? descriptors - kReserve : descriptors / 2;
  return NodeBounds{usable, std::clamp<std::size_t>(usable / 8, 1, kMostHandshakes),
                    std::clamp<std::size_t>(usable / 4, 1, kMostDials)};
}

NodeBounds BoundsOfProcess() {
  constexpr std::size_t kUnknown = 1024;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return BoundsFor(kUnknown);
  return BoundsFor(static_cast<std::size_t>(limit.rlim_cur));
}

PodBudget::~PodBudget() {
  for (const auto& used : used_) AQ_CHECK(used.load(kRelaxed) == 0);
  node_.Forget(uid_);
}

bool PodBudget::TryEnter(Bound bound) {
  const std::size_t index = Index(bound);
  const std::size_t all = node_.used_[index].load(kRelaxed);
  if (!MayTakeAnother(used_[index].load(kRelaxed), all, node_.bounds_[index])) return false;
  Enter(bound);
  return true;
}

void PodBudget::Enter(Bound bound) {
  used_[Index(bound)].fetch_add(1, kRelaxed);
  node_.used_[Index(bound)].fetch_add(1, kRelaxed);
}

void PodBudget::Leave(Bound bound) {
  used_[Index(bound)].fetch_sub(1, kRelaxed);
  node_.used_[Index(bound)].fetch_sub(1, kRelaxed);
}

NodeBudget::~NodeBudget() { AQ_CHECK(pods_.empty()); }

std::shared_ptr<PodBudget> NodeBudget::Of(const std::string& uid) {
  const std::lock_guard lock(pods_mutex_);
  std::weak_ptr<PodBudget>& known = pods_[uid];
  std::shared_ptr<PodBudget> pod = known.lock();
  if (pod == nullptr) known = pod = std::make_shared<PodBudget>(*this, uid);
  return pod;
}

// Its successor under the same name may be there already.
void NodeBudget::Forget(const std::string& uid) {
  const std::lock_guard lock(pods_mutex_);
  const auto found = pods_.find(uid);
  if (found != pods_.end() && found->second.expired()) pods_.erase(found);
}

void NodeBudget::Reserve(std::size_t descriptors) {
  used_[static_cast<std::size_t>(Bound::kDescriptors)].fetch_add(descriptors, kRelaxed);
}

void NodeBudget::Release(std::size_t descriptors) {
  used_[static_cast<std::size_t>(Bound::kDescriptors)].fetch_sub(descriptors, kRelaxed);
}

}  // namespace aquifer::node
