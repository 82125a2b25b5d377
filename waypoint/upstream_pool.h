// Connections to backends, kept between requests: HTTP/1.1 ones one request at a time, HTTP/2 ones
// shared, and a further one dialled only when there is no stream left on those. Bounded in number
// and age; one that its backend closes meanwhile is dropped at once. One a worker; ends with
// Shutdown.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <memory>
#include <string>
#include <vector>

#include "core/rt/event.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "waypoint/backends.h"
#include "waypoint/h1_upstream.h"
#include "waypoint/h2_upstream.h"
#include "waypoint/upstream.h"

namespace aquifer::waypoint {

struct UpstreamPoolOptions {
  std::size_t max_idle_per_endpoint = 64;
  std::size_t max_idle = 1024;
  Clock::duration idle_timeout = std::chrono::seconds(60);
  // Beyond this a connection is used only for what may be sent twice: the backend's own idle
  // timeout, often a few seconds, may be closing it, and the news may still be on its way.
  Clock::duration trusted_idle = std::chrono::milliseconds(500);
  Clock::duration connect_timeout = std::chrono::seconds(10);
  std::size_t max_detached = 128;
};

class UpstreamPool final : public Upstream {
 public:
  // `backends` outlives the pool.
  explicit UpstreamPool(Backends& backends, const UpstreamPoolOptions& options = {});
  ~UpstreamPool() override;

  Task<Result<UpstreamCallPtr>> Open(UpstreamRequest request, Endpoint& chosen,
                                     StopToken stop) override;
  bool Detach(const std::function<Task<void>(StopToken stop)>& start) override;
  // Ends every connection and waits for them. No call is left then.
  Task<void> Shutdown();
  std::size_t idle() const { return idle_count_; }

 private:
  using H2Ref = std::shared_ptr<http::H2Connection>;
  // Read while it is idle, as only reading shows that the other side has closed.
  struct Idle {
    Idle(H1ConnectionPtr connection, StopToken ending)
        : connection(std::move(connection)), stop(ending) {}

    H1ConnectionPtr connection;
    StopSource stop;
    Event ended;        // the reading
    bool good = false;  // and nothing came
  };
  using IdleRef = std::shared_ptr<Idle>;
  struct Shared {
    H2Ref connection;
    TimePoint used;  // last seen with a stream
  };
  // One for all who want the same: a burst must not become a connection each.
  struct Dialing {
    Event done;
    Status failed;  // by itself, and not with the request that it was for
  };
  using DialingRef = std::shared_ptr<Dialing>;
  struct Entry {
    std::vector<IdleRef> idle;  // the freshest last
    std::vector<Shared> shared;
    DialingRef dialing;  // of a shared one

    bool empty() const { return idle.empty() && shared.empty() && dialing == nullptr; }
  };

  Task<H1ConnectionPtr> TakeIdle(const std::string& key, bool may_repeat);
  IdleRef PopIdle(const std::string& key, bool may_repeat);
  Task<void> WatchIdle(std::string key, IdleRef idle);
  void Keep(const std::string& key, H1ConnectionPtr connection);
  void DropIdle(const std::string& key);
  Task<Result<io::StreamPtr>> Dial(ChosenBackend backend, StopToken stop);
  Task<Result<H2Ref>> TakeShared(ChosenBackend backend, StopToken stop);
  Task<Result<H2Ref>> DialShared(ChosenBackend backend, StopToken stop);
  H2Ref FindShared(const std::string& key);
  H2Ref Share(const std::string& key, io::StreamPtr stream);
  Task<void> Drive(std::string key, H2Ref connection);
  void StartSweep();
  Task<void> Sweep();
  void SweepEntry(Entry& entry, TimePoint now);
  Task<void> RunDetached(Task<void> task);

  Backends& backends_;
  const UpstreamPoolOptions options_;
  absl::flat_hash_map<std::string, Entry> entries_;
  std::size_t idle_count_ = 0;
  bool sweeping_ = false;
  std::size_t detached_ = 0;
  StopSource stop_;
  Scope tasks_;
};

}  // namespace aquifer::waypoint
