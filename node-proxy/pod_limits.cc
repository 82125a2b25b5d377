#include "node-proxy/pod_limits.h"

#include <utility>

namespace aquifer::node {
namespace {

using Kind = obs::LimitMetrics::Kind;

Kind KindOf(Bound bound) {
  switch (bound) {
    case Bound::kDescriptors:
      return Kind::kConnections;
    case Bound::kHandshakes:
      return Kind::kHandshakes;
    case Bound::kDials:
      return Kind::kDials;
  }
  return Kind::kConnections;
}

}  // namespace

void Handshakes::EndOldest() {
  Entry& oldest = under_way_.PopFront();
  oldest.place_ = Place();
  oldest.stop_.RequestStop(Reason::kOverload);
}

void Handshakes::Add(Entry& entry, Place place) {
  entry.place_ = std::move(place);
  under_way_.PushBack(entry);
}

PodLimits::PodLimits(WorkerLimits& worker, obs::Logger& log, const std::string& uid, std::string ns,
                     std::string name)
    : worker_(worker),
      teller_(new Teller{
          .metrics = worker.metrics, .log = log, .ns = std::move(ns), .name = std::move(name)}),
      budget_(worker.node.Of(uid)),
      gauge_(std::make_shared<io::BufferGauge>(
          worker.buffers, [teller = teller_] { teller->Tell(Kind::kMemory); })) {}

bool PodLimits::Count(io::Socket& socket) {
  Place place = TryEnter(Bound::kDescriptors);
  if (!place) return false;
  std::move(place).StayWith(socket);
  return true;
}

Place PodLimits::TryEnter(Bound bound) {
  if (budget_->TryEnter(bound)) return Place(budget_, bound);
  teller_->Tell(KindOf(bound));
  return Place();
}

void PodLimits::Begin(Handshakes::Entry& entry) {
  if (!budget_->TryEnter(Bound::kHandshakes)) {
    teller_->Tell(Kind::kHandshakes);
    // Those that are too many may all be other workers'; it is they who end theirs then.
    if (!handshakes_.empty()) handshakes_.EndOldest();
    budget_->Enter(Bound::kHandshakes);
  }
  handshakes_.Add(entry, Place(budget_, Bound::kHandshakes));
}

void PodLimits::Teller::Tell(Kind kind) {
  metrics.CountRefusal(kind);
  log.Limited(lines, obs::Level::kWarn, "proxy", "a pod has reached its part of this node's proxy",
              {{"pod", name}, {"namespace", ns}, {"limit", obs::LimitMetrics::Word(kind)}});
}

}  // namespace aquifer::node
