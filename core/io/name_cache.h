// Host names that connections lead to, resolved by the system and remembered for a while. The
// resolver does not tell how long an answer holds, so it is a short while of our own. Bounded: in
// names that are remembered and in look-ups under way, each of which takes a thread; of those an
// asker gets a part (core/base/parts.h), so that names nobody answers for are waited for by those
// who ask for them. Who asks for a name that is being looked up waits for that look-up; who gives
// up does not end it. One a worker, on its loop; destroyed after End.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "core/base/address.h"
#include "core/base/parts.h"
#include "core/base/result.h"
#include "core/rt/event.h"
#include "core/rt/scope.h"
#include "core/rt/stop.h"
#include "core/rt/task.h"

namespace aquifer::io {

struct NameCacheOptions {
  std::size_t max_names = 4096;
  // Of all askers; one that is alone gets two thirds.
  std::size_t max_lookups = 24;
  std::size_t max_waiting = 1024;  // for a look-up to begin; further ones fail with kOverload
  Clock::duration keep = std::chrono::seconds(10);
  Clock::duration keep_failure = std::chrono::seconds(1);
};

class NameCache {
 public:
  using Addresses = std::vector<Ip>;
  using Lookup = std::function<Task<Result<Addresses>>(std::string host, StopToken stop)>;

  // `lookup` is io::Resolve but in tests.
  explicit NameCache(const NameCacheOptions& options);
  NameCache(const NameCacheOptions& options, Lookup lookup);
  NameCache(const NameCache&) = delete;
  NameCache& operator=(const NameCache&) = delete;

  // At least one address, or kNotFound; an address in text form is itself. Case and a final dot
  // make no difference. `asker` says whose part the look-up belongs to, whoever gets its answer.
  Task<Result<Addresses>> Find(std::string host, std::string asker, StopToken stop);

  // Ends the look-ups under way.
  Task<void> End();
  std::size_t names() const { return names_.size(); }

 private:
  struct Name {
    Result<Addresses> answer = Error{Reason::kNotFound};
    TimePoint until{};
    Event answered;  // not set while the look-up lasts
  };

  Task<void> Look(std::string host, std::string asker, std::shared_ptr<Name> name);
  void MakeRoom();

  const NameCacheOptions options_;
  const Lookup lookup_;
  absl::flat_hash_map<std::string, std::shared_ptr<Name>> names_;
  Parts lookups_;
  Parts waiting_;
  Event room_;  // woken when a look-up has ended
  StopSource stop_;
  Scope tasks_;
};

}  // namespace aquifer::io
