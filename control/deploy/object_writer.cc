#include "control/deploy/object_writer.h"

#include <utility>

#include "certs/wall_clock.h"
#include "control/kube/values.h"

namespace aquifer::control {
namespace {

constexpr JsonLimits kAnswer{.bytes = 16 << 20, .values = 1'000'000, .depth = 64};
constexpr auto kTimeout = std::chrono::seconds(30);

}  // namespace

ApiObjectWriter::ApiObjectWriter(const ClusterAccess& access)
    : client_(access, &certs::SystemWallTime) {}

Task<Result<Json, WriteFailure>> ApiObjectWriter::Ask(ApiRequest request, StopToken stop) {
  const Result<std::string, ApiFailure> answer =
      co_await client_.Call(std::move(request), kAnswer.bytes, kTimeout, stop);
  if (!answer.ok()) co_return WriteFailure{answer.error().status, answer.error().ToString()};
  Decoded<Json> value = ReadJson(*answer, kAnswer);
  if (!value.ok()) {
    co_return WriteFailure{0, "the answer cannot be read: " + value.error().ToString()};
  }
  co_return *std::move(value);
}

Task<Result<Json, WriteFailure>> ApiObjectWriter::Apply(std::string path, std::string body,
                                                        Force force, StopToken stop) {
  ApiRequest request;
  request.method = "PATCH";
  request.path = std::move(path) + "?fieldManager=" + std::string(kFieldManager);
  if (force == Force::kYes) request.path += "&force=true";
  request.content_type = "application/apply-patch+yaml";  // JSON is YAML
  request.body = std::move(body);
  co_return co_await Ask(std::move(request), stop);
}

Task<Result<void, WriteFailure>> ApiObjectWriter::Delete(std::string path, std::string uid,
                                                         StopToken stop) {
  ApiRequest request;
  request.method = "DELETE";
  request.path = std::move(path);
  request.content_type = "application/json";
  const Json options = {{"apiVersion", "v1"},
                        {"kind", "DeleteOptions"},
                        {"propagationPolicy", "Background"},
                        {"preconditions", {{"uid", std::move(uid)}}}};
  request.body = WriteJson(options);
  const Result<Json, WriteFailure> answer = co_await Ask(std::move(request), stop);
  if (!answer.ok()) co_return answer.error();
  co_return Result<void, WriteFailure>();
}

Task<Result<Json, WriteFailure>> ApiObjectWriter::Read(std::string path, StopToken stop) {
  ApiRequest request;
  request.path = std::move(path);
  co_return co_await Ask(std::move(request), stop);
}

}  // namespace aquifer::control
