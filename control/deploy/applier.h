// Brings single objects to what is wanted of them. Knows the objects in the cluster that carry our
// labels, by lists from time to time and by the answers to what it writes; writes only where one
// differs; leaves alone what is not ours; waits longer and longer after each failure. One thread:
// its Loop's.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "control/deploy/object_writer.h"
#include "control/deploy/wanted.h"
#include "control/metrics.h"
#include "core/obs/log.h"

namespace aquifer::control {

struct ApplierOptions {
  Clock::duration first_backoff = std::chrono::seconds(1);
  Clock::duration longest_backoff = std::chrono::seconds(60);
  // How often it is looked whether somebody else's object is still there.
  Clock::duration foreign_period = std::chrono::seconds(30);
  // Which kinds are followed: what a Gateway is deployed as, ConfigMaps with the root.
  bool gateways = true;
  bool roots = true;
};

class Applier {
 public:
  // Beyond that many labelled objects of a kind nothing is written.
  static constexpr size_t kMaxObjects = 50'000;

  enum class Outcome : std::uint8_t {
    kThere,    // as wanted
    kForeign,  // somebody else's object has the name
    kFailed,   // and will be tried again
  };

  // References outlive the applier.
  Applier(ObjectWriter& writer, obs::Logger& log, const ApplierOptions& options)
      : writer_(writer), log_(log), options_(options) {}

  // From now on what is done is counted there.
  void CountIn(ControlMetrics& metrics) { metrics_ = &metrics; }

  // Reads all objects that carry our labels.
  Task<Result<void, WriteFailure>> Refresh(StopToken stop);
  // Forgets everything, as somebody else may have written since.
  void Forget();

  // Whether the name is free or ours. Asks the API server where nothing of ours is known.
  Task<Outcome> Look(const WantedObject& wanted, StopToken stop);
  // Writes if there is anything to write.
  Task<Outcome> Bring(const WantedObject& wanted, StopToken stop);
  // Of an object of ours. Failures are logged and made good by the next call.
  Task<void> Remove(DeployedKey key, StopToken stop);

  const std::map<DeployedKey, Json>& objects() const { return objects_; }
  // Found to be somebody else's a short while ago.
  bool IsForeign(const DeployedKey& key) const;
  // Why the last attempt failed; "" if it did not.
  std::string ProblemOf(const DeployedKey& key) const;
  // The API server did not answer, and has not been listed since.
  bool away() const { return away_; }
  // How often something was applied.
  std::uint64_t writes() const { return writes_; }

 private:
  struct Attempt {
    std::string hash;             // of what was applied last
    std::optional<Json> settled;  // what the API server made of it
    std::string problem;
    bool foreign = false;
    bool doubtful = false;  // what is known may be another object by now
    Clock::duration backoff{};
    TimePoint not_before{};
  };

  Task<Result<void, WriteFailure>> List(const DeployedRow& row, StopToken stop);
  bool Waits(const WantedObject& wanted) const;
  bool IsAsWanted(const WantedObject& wanted, const Json& live) const;
  Outcome Fail(const WantedObject& wanted, const WriteFailure& failure);
  Outcome SetForeign(const WantedObject& wanted);
  void Count(const DeployedKey& key, std::string_view outcome) const;

  ObjectWriter& writer_;
  ControlMetrics* metrics_ = nullptr;
  obs::Logger& log_;
  const ApplierOptions options_;
  std::map<DeployedKey, Json> objects_;
  std::map<DeployedKey, Attempt> attempts_;
  bool away_ = false;
  std::uint64_t writes_ = 0;
};

}  // namespace aquifer::control
