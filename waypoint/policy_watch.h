// What was allowed when it was asked for and lasts: judged by the rules there are now, since they
// may have changed meanwhile, and anew whenever they change; ended when policies do not let it
// through any more. For connections that are not HTTP and for upgraded ones. One thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/rt/stop.h"
#include "waypoint/rules.h"

namespace aquifer::waypoint {

class PolicyWatch final : private RulesObserver {
 public:
  // `deny` says what `rules` hold against it, if anything. The slot outlives the watch.
  using Deny = std::function<std::optional<std::string>(const Rules& rules)>;
  PolicyWatch(const RulesSlot& slot, Deny deny, StopToken parent)
      : deny_(std::move(deny)), stop_(parent) {
    slot.Watch(*this);
    OnRules(*slot.current());
  }

  // Fires with kPolicyChanged, or as the parent does.
  StopToken token() { return stop_.token(); }
  // Of the denial, once there is one.
  const std::optional<std::string>& denied() const { return denied_; }

 private:
  void OnRules(const Rules& rules) override {
    if (denied_) return;
    denied_ = deny_(rules);
    if (denied_) stop_.RequestStop(Reason::kPolicyChanged);
  }

  Deny deny_;
  StopSource stop_;
  std::optional<std::string> denied_;
};

}  // namespace aquifer::waypoint
