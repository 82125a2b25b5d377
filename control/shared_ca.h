// Brings the CA that all replicas share into <state>/ca before it is opened (control/ca_state.h):
// that of a Secret; where there is none, ours becomes it, unless another replica is faster. Without
// an answer of the API server there is no CA and nothing is served: a second root would divide the
// mesh. Later it follows the Secret, and takes a root that a replica of ours made to its successor
// (control/ca_rotation.h). Blocking file I/O; one thread: its Loop's.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "certs/wall_clock.h"
#include "control/ca_rotation.h"
#include "control/ca_secret.h"
#include "control/kube/client.h"
#include "core/obs/log.h"

namespace aquifer::control {

struct SharedCaOptions {
  std::string namespace_name;  // of the Secret
  std::string name;
  std::string state_directory;
  std::string trust_domain;
  Clock::duration pause = std::chrono::seconds(2);  // before the API server is asked again
  Clock::duration timeout = std::chrono::seconds(10);
  certs::WallClock clock = &certs::SystemWallTime;
};

class SharedCa {
 public:
  // The client and the log outlive it.
  SharedCa(ApiClient& client, SharedCaOptions options, obs::Logger& log)
      : client_(client), options_(std::move(options)), log_(log) {}

  // Until it is there, or stopped. Refused if the Secret makes no CA, or files cannot be written.
  Task<Result<void, Refusal>> Bring(StopToken stop);
  // Once: whether the files have become others. What cannot be read or used changes nothing.
  Task<Decoded<bool>> LookAgain(StopToken stop);

 private:
  enum class Step : std::uint8_t { kDone, kAgain, kLater };

  Task<Decoded<Step>> Attempt(StopToken stop);
  Task<void> CatchUp(StopToken stop);
  Task<Decoded<Step>> Offer(StopToken stop);
  Task<Result<std::string, ApiFailure>> Read(StopToken stop);
  Task<Result<CaFiles, Refusal>> Rotated(CaFiles files, CaSecretMeta meta, StopToken stop);
  Refusal Refused(const Refusal& why) const;
  Step Failed(const ApiFailure& failure, StopToken stop);
  std::string Path() const;

  ApiClient& client_;
  const SharedCaOptions options_;
  obs::Logger& log_;
  std::string problem_;  // as logged last
};

// The files of `directory` become these, as a whole.
Result<void, Refusal> ReplaceCaFiles(const std::string& directory, const CaFiles& files);
// Those that are there.
Decoded<CaFiles> ReadCaFiles(const std::string& directory);

}  // namespace aquifer::control
