#include "core/http/h2_budget.h"

#include <algorithm>
#include <utility>

namespace aquifer::http {
namespace {

constexpr std::uint32_t kCrumbBytes =
    1024;  // a window update below this is worth less than it costs
constexpr std::uint32_t kFaultUnits = 2;
constexpr std::uint32_t kPingUnits = 2;
constexpr std::size_t kWastedFieldUnit =
    4096;  // bytes of decoded fields beyond the limits that cost one unit
constexpr std::size_t kHeaderBlockUnit = 256;  // bytes of a silent header block that cost one more
// What may be saved up: the frames of one write, which its reader acknowledges together.
constexpr std::uint32_t kMostFree = 64;

}  // namespace

H2Budget::H2Budget(std::uint32_t units, std::uint32_t refill_per_second)
    : units_(units), most_units_(units), refill_per_second_(refill_per_second) {}

void H2Budget::Refill(TimePoint now) {
  if (refilled_ != TimePoint{} && now > refilled_) {
    const double seconds = std::chrono::duration<double>(now - refilled_).count();
    units_ = std::min(most_units_, units_ + seconds * refill_per_second_);
  }
  refilled_ = now;
}

void H2Budget::Spend(std::uint32_t units) {
  units_ -= units;
  if (units_ < 0) overdrawn_ = true;
}

void H2Budget::GiveBack(std::uint32_t units) { units_ = std::min(most_units_, units_ + units); }

// Its receiver may ask for the round trip once, and give back the windows of the stream and of the
// connection.
void H2Budget::OnPayload() {
  free_pings_ = std::min(free_pings_ + 1, kMostFree);
  free_updates_ = std::min(free_updates_ + 2, 2 * kMostFree);
}

void H2Budget::OnPing() {
  if (free_pings_ > 0)
    --free_pings_;
  else
    Spend(kPingUnits);
}

void H2Budget::OnWindowUpdate(std::uint32_t increment) {
  if (increment >= kCrumbBytes) return;
  if (free_updates_ > 0)
    --free_updates_;
  else
    Spend(1);
}

// Paid at once: a peer that reads nothing must not have its answers pile up unpaid.
void H2Budget::OnFault() {
  Spend(kFaultUnits);
  ++faults_unanswered_;
}

void H2Budget::OnFaultAnswered() {
  if (faults_unanswered_ > 0)
    --faults_unanswered_;
  else
    Spend(kFaultUnits);
}

void H2Budget::OnWastedField(std::size_t bytes) {
  constexpr std::size_t kFieldOverhead = 32;
  wasted_field_bytes_ += bytes + kFieldOverhead;
  Spend(static_cast<std::uint32_t>(wasted_field_bytes_ / kWastedFieldUnit));
  wasted_field_bytes_ %= kWastedFieldUnit;
}

void H2Budget::SeeContinuation(std::size_t bytes) {
  const std::uint32_t units = 1 + static_cast<std::uint32_t>(bytes / kHeaderBlockUnit);
  if (!seen_.empty())
    seen_.back() += units;
  else if (!head_heard_)  // of the block that has begun already
    Spend(units);
}

void H2Budget::OnHeaderBlock(std::size_t bytes) {
  if (silent_units_ > 0) Spend(silent_units_);
  head_heard_ = false;
  silent_units_ = 1 + static_cast<std::uint32_t>(bytes / kHeaderBlockUnit);
  if (begun_ < seen_.size()) silent_units_ += seen_[begun_++];
}

void H2Budget::OnHeadHeard() {
  head_heard_ = true;
  silent_units_ = 0;
}

// Only the last block of the input may not have begun.
void H2Budget::Settle() {
  if (silent_units_ > 0) Spend(std::exchange(silent_units_, 0));
  const bool waits = begun_ < seen_.size();
  const std::uint32_t last = waits ? seen_.back() : 0;
  seen_.clear();
  if (waits) seen_.push_back(last);
  begun_ = 0;
}

}  // namespace aquifer::http
