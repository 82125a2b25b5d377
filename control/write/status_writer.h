// A leader's duty: writes statuses back to the objects of a cluster and makes the GatewayClasses of
// ours that are missing. Each object is read before it is written, so that only what differs is
// sent, whoever has written there before; what comes back by the watch is no part of the objects
// and leads to nothing. One thread: its Loop's.
#pragma once

#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "certs/wall_clock.h"
#include "control/decode/decode.h"
#include "control/kube/client.h"
#include "control/metrics.h"
#include "control/publication.h"
#include "control/reconcile/settings.h"
#include "control/write/write_queue.h"
#include "core/obs/log.h"
#include "core/rt/scope.h"

namespace aquifer::control {

class StatusWriter {
 public:
  // All references outlive the writer.
  StatusWriter(ApiClient& client, MeshSettings settings, const WriteQueueOptions& options,
               certs::WallClock clock, obs::Logger& log, ControlMetrics& metrics,
               std::uint64_t seed);

  // What is to be said from here on; at any time.
  void Take(PublicationRef publication);
  // One term.
  Task<void> Lead(StopToken stop);

 private:
  using Outcome = WriteQueue::Outcome;
  struct Found {
    Json object;
    std::string_view version;
  };

  void Feed();
  void StartDue(Scope& writes, StopToken stop);
  Task<void> AwaitWork(StopToken stop);
  Task<void> Write(WriteQueue::Job job, StopToken stop);
  Task<Outcome> Update(const ObjectKey& key, const ObjectStatus& status, StopToken stop);
  Task<Outcome> Create(const ObjectKey& key, StopToken stop);
  Task<Result<Found, ApiFailure>> Read(const DecoderRow& row, const ObjectKey& key, StopToken stop);
  std::vector<std::string_view> VersionsOf(const DecoderRow& row) const;
  Outcome Counted(const ObjectKey& key, Outcome outcome, std::string_view word);
  Outcome Failed(const ObjectKey& key, const ApiFailure& failure, StopToken stop);

  ApiClient& client_;
  const MeshSettings settings_;
  const WriteQueueOptions options_;
  const certs::WallClock clock_;
  obs::Logger& log_;
  ControlMetrics& metrics_;
  obs::RateLimiter limiter_{5};
  std::mt19937_64 random_;
  PublicationRef publication_;                 // null before the first one
  std::map<Kind, std::string_view> versions_;  // that were served
  bool with_features_ = true;
  std::optional<WriteQueue> queue_;  // while we lead
  Event news_;
};

}  // namespace aquifer::control
