// What the deployer asks of an API server: objects applied server-side, deleted and read. An
// interface, so that a test can say what was asked; ApiObjectWriter is the one that asks. One
// thread: its Loop's.
#pragma once

#include <string>

#include "control/kube/client.h"
#include "control/kube/values.h"

namespace aquifer::control {

struct WriteFailure {
  int status = 0;  // of HTTP; 0: there was no answer
  std::string why;
};

class ObjectWriter {
 public:
  // Whether fields that others manage are taken over.
  enum class Force : std::uint8_t { kNo, kYes };

  virtual ~ObjectWriter() = default;

  // `path` is that of the object, `body` all that we want of it. Gives the object as it is then.
  virtual Task<Result<Json, WriteFailure>> Apply(std::string path, std::string body, Force force,
                                                 StopToken stop) = 0;
  // Only the object of that uid, not one that has come in its place.
  virtual Task<Result<void, WriteFailure>> Delete(std::string path, std::string uid,
                                                  StopToken stop) = 0;
  // An object, or with a query a page of a list.
  virtual Task<Result<Json, WriteFailure>> Read(std::string path, StopToken stop) = 0;
};

class ApiObjectWriter final : public ObjectWriter {
 public:
  explicit ApiObjectWriter(const ClusterAccess& access);
  // Before destruction.
  Task<void> Shutdown() { co_await client_.Shutdown(); }

  Task<Result<Json, WriteFailure>> Apply(std::string path, std::string body, Force force,
                                         StopToken stop) override;
  Task<Result<void, WriteFailure>> Delete(std::string path, std::string uid,
                                          StopToken stop) override;
  Task<Result<Json, WriteFailure>> Read(std::string path, StopToken stop) override;

 private:
  Task<Result<Json, WriteFailure>> Ask(ApiRequest request, StopToken stop);

  ApiClient client_;
};

}  // namespace aquifer::control
