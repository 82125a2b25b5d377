#include "node-proxy/give_back.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "core/base/memory.h"
#include "core/rt/timer.h"

namespace aquifer::node {
namespace {

constexpr std::chrono::seconds kLook(10);
constexpr std::size_t kWorthIt = std::size_t{8} * 1024 * 1024;

// 0 when the system does not tell: then nothing is ever due.
std::size_t Resident() {
  std::ifstream file("/proc/self/statm");
  std::size_t pages = 0;
  std::size_t resident = 0;
  if (!(file >> pages >> resident)) return 0;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

// Memory has grown and grows no more, and of the sockets that there were at most a part is left, or
// there were never many: bulk.
bool GiveBack::IsDue(std::size_t resident, std::size_t sockets) {
  most_sockets_ = std::max(most_sockets_, sockets);
  level_ = level_ == 0 ? resident : std::min(level_, resident);
  const bool grown = resident > level_ + std::max(kWorthIt, level_ / 4);
  const bool rests = resident <= last_ + last_ / 16 && sockets <= last_sockets_;
  const bool over = sockets <= most_sockets_ - most_sockets_ / 4;
  last_ = resident;
  last_sockets_ = sockets;
  return grown && rests && over;
}

void GiveBack::Done(std::size_t resident) {
  level_ = last_ = resident;
  most_sockets_ = last_sockets_;
}

Task<void> GiveMemoryBack(const NodeBudget& budget, StopToken stop) {
  GiveBack rule;
  while (true) {
    const Status slept = co_await SleepFor(kLook, stop);
    if (!slept) co_return;
    if (!rule.IsDue(Resident(), budget.used(Bound::kDescriptors))) continue;
    GiveBackFreeMemory();
    rule.Done(Resident());
  }
}

}  // namespace aquifer::node
