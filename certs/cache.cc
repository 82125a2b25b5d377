#include "certs/cache.h"

#include <utility>

namespace aquifer::certs {
CertCache::CertCache(CertStore& store, Loop& store_loop, WallClock clock)
    : store_(store),
      store_loop_(store_loop),
      clock_(std::move(clock)),
      slots_(std::make_shared<Slots>()),
      link_(std::make_shared<Link>()) {
  link_->loop = &Loop::Current();
  AtStore([listener = Listener()](CertStore& at) { at.Listen(listener); });
}

CertCache::~CertCache() {
  const std::lock_guard lock(link_->mutex);
  link_->loop = nullptr;
}

Task<Result<CertRef>> CertCache::Get(Identity identity, StopToken stop) {
  std::shared_ptr<Slot>& known = slots_->by_identity[identity];
  if (known == nullptr) known = std::make_shared<Slot>();
  const std::shared_ptr<Slot> slot = known;  // `known` may move while we wait
  if (CertRef usable = Usable(*slot)) co_return usable;
  if (!std::exchange(slot->asked, true)) {
    AtStore([identity, listener = Listener()](CertStore& at) {
      at.Request(identity, Urgency::kConnection, listener);
    });
  }
  // The store may be on this very loop and have answered by now.
  if (slot->asked) {
    const Status waited = co_await slot->answered.Wait(stop);
    if (!waited) co_return waited.error();
  }
  if (CertRef usable = Usable(*slot)) co_return usable;
  const bool told = slot->error.reason != Reason::kOk;
  co_return told ? slot->error : Error{Reason::kIdentityUnavailable};
}

CertRef CertCache::Peek(const Identity& identity) const {
  const auto found = slots_->by_identity.find(identity);
  return found == slots_->by_identity.end() ? nullptr : Usable(*found->second);
}

void CertCache::Prefetch(const Identity& identity) {
  if (Peek(identity) != nullptr) return;
  AtStore([identity](CertStore& at) { at.Request(identity, Urgency::kPrefetch); });
}

void CertCache::Forget(const Identity& identity) {
  AtStore([identity](CertStore& at) { at.Forget(identity); });
}

CertRef CertCache::Usable(const Slot& slot) const {
  const bool usable = slot.certificate != nullptr && !slot.certificate->bundle.Expired(clock_());
  return usable ? slot.certificate : nullptr;
}

CertListener CertCache::Listener() {
  return [link = link_, slots = std::weak_ptr<Slots>(slots_)](const CertUpdate& update) {
    const std::lock_guard lock(link->mutex);
    if (link->loop == nullptr) return false;
    // Only the cache's own thread makes a strong reference, so the last one goes there too.
    const auto apply = [slots, update] {
      if (const std::shared_ptr<Slots> alive = slots.lock()) alive->Apply(update);
    };
    if (link->loop == &Loop::Current()) {
      apply();
    } else {
      link->loop->Post(apply);
    }
    return true;
  };
}

void CertCache::AtStore(std::function<void(CertStore&)> work) {
  if (&store_loop_ == &Loop::Current()) return work(store_);
  store_loop_.Post([&store = store_, work = std::move(work)] { work(store); });
}

void CertCache::Slots::Apply(const CertUpdate& update) {
  std::shared_ptr<Slot>& known = by_identity[update.identity];
  if (known == nullptr) known = std::make_shared<Slot>();
  const std::shared_ptr<Slot> slot = known;
  if (update.forgotten) by_identity.erase(update.identity);
  // A failed renewal is not published, so an update without a certificate means there is none.
  slot->certificate = update.certificate;
  slot->error = update.error;
  slot->asked = false;
  slot->answered.Wake();
}

}  // namespace aquifer::certs
