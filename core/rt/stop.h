// Asking work to stop. A StopSource is held by whoever may stop something, its tokens go down with
// every call that waits. Stopping only asks: an operation in flight is cancelled, its completion is
// awaited, and the coroutine returns with the reason (docs/decisions/0001). A source made from a
// token stops when its parent does. The first reason wins. A source outlives everything that holds
// its tokens, which the nesting of scopes gives for free. One thread: its Loop's.
#pragma once

#include "core/base/list.h"
#include "core/base/reason.h"
#include "core/base/result.h"

namespace aquifer {

class StopSource;

// What to do when a stop is asked for. Called at most once, from RequestStop; it must not resume a
// coroutine (core/rt/loop.h: Ready).
class StopCallback : public ListNode {
 public:
  virtual void OnStop() = 0;

 protected:
  ~StopCallback() = default;
};

class StopToken {
 public:
  StopToken() = default;  // never stops

  bool requested() const;
  // kOk while no stop is requested.
  Reason reason() const;
  Error error() const { return Error{reason()}; }
  // Links `callback` until it is unlinked or called. Not after a request: the caller looks first.
  void Watch(StopCallback& callback) const;

 private:
  friend class StopSource;
  explicit StopToken(StopSource* source) : source_(source) {}

  StopSource* source_ = nullptr;
};

class StopSource final : private StopCallback {
 public:
  StopSource() = default;
  explicit StopSource(StopToken parent);

  // The first call sets the reason and tells everybody; later ones do nothing.
  void RequestStop(Reason reason = Reason::kStopped);
  bool requested() const { return reason_ != Reason::kOk; }
  Reason reason() const { return reason_; }
  StopToken token() { return StopToken(this); }

 private:
  friend class StopToken;
  void OnStop() override { RequestStop(parent_.reason()); }

  StopToken parent_;
  Reason reason_ = Reason::kOk;
  List<StopCallback> callbacks_;
};

// Makes `to` stop for a second cause beside its parent, for as long as the link lives.
class StopLink final : private StopCallback {
 public:
  StopLink(StopToken from, StopSource& to);

 private:
  void OnStop() override { to_.RequestStop(from_.reason()); }

  StopToken from_;
  StopSource& to_;
};

}  // namespace aquifer
