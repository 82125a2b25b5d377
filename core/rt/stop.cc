#include "core/rt/stop.h"

namespace aquifer {

bool StopToken::requested() const { return source_ != nullptr && source_->requested(); }

Reason StopToken::reason() const { return source_ == nullptr ? Reason::kOk : source_->reason(); }

void StopToken::Watch(StopCallback& callback) const {
  AQ_DCHECK(!requested());
  if (source_ != nullptr) source_->callbacks_.PushBack(callback);
}

StopSource::StopSource(StopToken parent) : parent_(parent) {
  if (parent.requested()) {
    reason_ = parent.reason();
  } else {
    parent.Watch(*this);
  }
}

void StopSource::RequestStop(Reason reason) {
  AQ_CHECK(reason != Reason::kOk);
  if (requested()) return;
  reason_ = reason;
  while (!callbacks_.empty()) callbacks_.PopFront().OnStop();
}

StopLink::StopLink(StopToken from, StopSource& to) : from_(from), to_(to) {
  if (from.requested()) {
    to.RequestStop(from.reason());
  } else {
    from.Watch(*this);
  }
}

}  // namespace aquifer
