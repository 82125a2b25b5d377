// Takes part in the election of a leader and runs what only a leader does, for as long as it leads.
// A term ends before anybody else can begin one: its duties are stopped and waited for as soon as
// the Lease could not be renewed in time, and at a clean end the Lease is given up after them. One
// thread: its Loop's.
#pragma once

#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "certs/wall_clock.h"
#include "control/kube/client.h"
#include "control/metrics.h"
#include "control/write/lease.h"
#include "core/obs/log.h"
#include "core/rt/scope.h"

namespace aquifer::control {

struct LeaderOptions {
  std::string namespace_name;
  std::string name = "aquifer-control";
  std::string identity;  // of this process; nobody else has it
  LeaseTimes times;
  Clock::duration request_timeout = std::chrono::seconds(3);
};

class Leader {
 public:
  // Called at the begin of each term; the task ends soon after the token asks it to.
  using Duty = std::function<Task<void>(StopToken)>;

  // All references outlive the leader.
  Leader(ApiClient& client, LeaderOptions options, certs::WallClock clock, obs::Logger& log,
         ControlMetrics& metrics, std::uint64_t seed);

  // Before Run.
  void AddDuty(Duty duty) { duties_.push_back(std::move(duty)); }
  // Until `stop`.
  Task<void> Run(StopToken stop);
  bool leads() const { return term_.has_value(); }

 private:
  Task<void> Attempt(StopToken stop);
  Task<bool> Read(StopToken stop);
  Task<bool> Write(LeaseRecord record, StopToken stop);
  Task<void> Release();
  void BeginTerm();
  Task<void> EndTerm();
  bool CanLead() const { return election_.Leads(Loop::Current().now()); }
  Clock::duration Pause();
  Clock::duration Patience() const;
  void Failed(const ApiFailure& failure);
  std::string Now() const;
  std::string Path() const;

  ApiClient& client_;
  const LeaderOptions options_;
  const certs::WallClock clock_;
  obs::Logger& log_;
  ControlMetrics& metrics_;
  std::mt19937_64 random_;
  std::vector<Duty> duties_;
  Election election_;
  std::optional<Lease> lease_;  // as the API server had it last; none: read it first
  std::string problem_;         // as logged last
  std::string holder_;          // likewise
  std::optional<StopSource> term_;
  Scope term_duties_;
};

}  // namespace aquifer::control
