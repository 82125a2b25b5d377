// What is written down about one request when it is over: a line in the access log and counts in
// the metrics. Values, one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "waypoint/config_model.h"
#include "waypoint/upstream.h"

namespace aquifer::waypoint {

struct RequestRecord {
  // Of a connection that is not HTTP: observed once more when it opens, as it may last.
  enum class Moment : std::uint8_t { kOpened, kEnded, kOpenedAndEnded };
  Moment moment = Moment::kOpenedAndEnded;
  std::string method;
  std::string path;  // as the client sent it
  std::string authority;
  std::string protocol;
  std::string user_agent;
  std::string forwarded_for;
  std::string request_id;
  bool grpc = false;
  int status = 0;  // 0: no response was sent
  int grpc_status = -1;
  std::string flags = "-";  // Envoy's response flags
  std::string details;
  std::uint64_t request_bytes = 0;  // of bodies
  std::uint64_t response_bytes = 0;
  std::uint64_t request_messages = 0;  // of gRPC
  std::uint64_t response_messages = 0;
  std::chrono::milliseconds duration{};
  std::chrono::milliseconds upstream_time{-1};  // until the response's head
  std::string route;                            // "namespace/name.rule"
  std::optional<ServiceRef> service;            // whom it went to
  Endpoint endpoint;
  // What dry-run policies would have said, if there are any.
  std::optional<bool> shadow_allowed;
  std::string shadow_policy;
};

}  // namespace aquifer::waypoint
