// Everything a proxy has been told about routes and policies, as one immutable value: a request is
// judged and routed by one and the same state of the configuration. Any thread.
#pragma once

#include <memory>

#include "core/base/list.h"
#include "waypoint/config_model.h"
#include "waypoint/l4_index.h"
#include "waypoint/policy_index.h"
#include "waypoint/route_index.h"

namespace aquifer::waypoint {

struct Rules {
  Gateway gateway;
  PolicyIndex policies;
  RouteIndex routes;
  L4Index l4_routes;
  // As they came, for /config_dump.
  std::vector<RoutePtr> all_routes;
  std::vector<L4RoutePtr> all_l4_routes;
  std::vector<PolicyPtr> all_policies;
};

using RulesRef = std::shared_ptr<const Rules>;

// Told of each new state of the rules until it is unlinked. Must not resume a coroutine.
class RulesObserver : public ListNode {
 public:
  virtual void OnRules(const Rules& rules) = 0;

 protected:
  ~RulesObserver() = default;
};

// A worker's current rules. Replaced by a message on the worker's loop; whoever needs them across a
// wait takes a reference.
class RulesSlot {
 public:
  RulesRef current() const { return current_; }
  void Watch(RulesObserver& observer) const { observers_.PushBack(observer); }
  void Replace(RulesRef rules) {
    current_ = std::move(rules);
    observers_.ForEach([this](RulesObserver& observer) { observer.OnRules(*current_); });
  }

 private:
  RulesRef current_ = std::make_shared<const Rules>();
  mutable List<RulesObserver> observers_;
};

}  // namespace aquifer::waypoint
