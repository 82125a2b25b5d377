// A worker's view of the certificates: what CertStore has pushed, found without leaving the thread;
// what is missing is asked for at the store's loop and awaited. One a loop, made on its thread.
#pragma once

#include <memory>
#include <mutex>

#include "absl/container/flat_hash_map.h"
#include "certs/store.h"
#include "core/rt/event.h"
#include "core/rt/loop.h"

namespace aquifer::certs {

class CertCache {
 public:
  // `store` is served on `store_loop`, which may be this thread's own; both outlive the cache. The
  // cache's own loop may end as soon as the cache has.
  CertCache(CertStore& store, Loop& store_loop, WallClock clock);
  ~CertCache();
  CertCache(const CertCache&) = delete;
  CertCache& operator=(const CertCache&) = delete;

  // A certificate that has not expired; waits for the first fetch. kIdentityUnavailable when it
  // failed. The cache outlives the call.
  Task<Result<CertRef>> Get(Identity identity, StopToken stop);
  // The same without waiting or asking; null if there is none.
  CertRef Peek(const Identity& identity) const;
  // Has it fetched behind the connections that wait.
  void Prefetch(const Identity& identity);
  // For all caches: the last workload of `identity` has gone.
  void Forget(const Identity& identity);

 private:
  struct Slot {
    CertRef certificate;
    Error error;         // of the last update without a certificate
    bool asked = false;  // an answer is under way
    Event answered;
  };
  // Lives on this thread. Only weak references leave it, so that it also dies here.
  struct Slots {
    absl::flat_hash_map<Identity, std::shared_ptr<Slot>> by_identity;
    void Apply(const CertUpdate& update);
  };

  // The way from the store's thread to this one, cut when the cache ends.
  struct Link {
    std::mutex mutex;
    Loop* loop;  // guarded by mutex; null once the cache has ended
  };

  CertRef Usable(const Slot& slot) const;
  CertListener Listener();
  void AtStore(std::function<void(CertStore&)> work);

  CertStore& store_;
  Loop& store_loop_;
  WallClock clock_;
  std::shared_ptr<Slots> slots_;
  std::shared_ptr<Link> link_;
};

}  // namespace aquifer::certs
