#include "waypoint/head_edit.h"

namespace aquifer::waypoint {
namespace {

// Orders to Envoy that a client has no right to give, and claims that only a proxy can make.
constexpr std::array<std::string_view, 12> kNotFromClients = {
    "x-forwarded-client-cert",
    "x-envoy-internal",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-max-retries",
    "x-envoy-retriable-status-codes",
    "x-envoy-retriable-header-names",
    "x-envoy-hedge-on-per-try-timeout"};

// What a gateway takes out besides, because no proxy of the mesh has been before it.
constexpr std::array<std::string_view, 4> kNotFromOutside = {
    "x-envoy-original-path", "x-envoy-attempt-count", "x-envoy-external-address",
    "x-envoy-peer-metadata"};

bool AppendForwardedFor(const Ip& peer, http::HeaderList& headers) {
  const std::optional<std::string> joined = headers.GetJoined("x-forwarded-for");
  if (!joined) return headers.Add("x-forwarded-for", peer.ToString());
  return headers.Set("x-forwarded-for", *joined + "," + peer.ToString());
}

bool EditAtGateway(const RequestEdit& edit, http::RequestHead& head) {
  for (const std::string_view name : kNotFromOutside) head.headers.Remove(name);
  if (edit.num_trusted_proxies == 0) head.headers.Remove("x-forwarded-proto");
  return AppendForwardedFor(edit.peer, head.headers);
}

}  // namespace

std::string MakeUuid(const std::array<std::uint64_t, 2>& random) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string uuid;
  uuid.reserve(36);
  for (int digit = 0; digit < 32; ++digit) {
    if (digit == 8 || digit == 12 || digit == 16 || digit == 20) uuid += '-';
    unsigned value = random[digit / 16] >> (digit % 16 * 4) & 15;
    if (digit == 12) value = 4;                // version
    if (digit == 16) value = 8 | (value & 3);  // variant
    uuid += kHex[value];
  }
  return uuid;
}

bool EditRequest(const RequestEdit& edit, http::RequestHead& head) {
  for (const std::string_view name : kNotFromClients) head.headers.Remove(name);
  if (edit.edge == Edge::kGateway && !EditAtGateway(edit, head)) return false;
  if (!edit.client_cert.empty() && !head.headers.Add("x-forwarded-client-cert", edit.client_cert)) {
    return false;
  }
  const std::string_view scheme = head.scheme == "https" ? "https" : "http";
  if (!head.headers.Has("x-forwarded-proto") && !head.headers.Add("x-forwarded-proto", scheme)) {
    return false;
  }
  return head.headers.Has("x-request-id") ||
         head.headers.Add("x-request-id", MakeUuid(edit.random));
}

bool EditResponse(std::chrono::milliseconds upstream_time, std::string_view date,
                  http::HeaderList& headers) {
  if (!headers.Has("date") && !headers.Add("date", date)) return false;
  return headers.Set("server", "istio-envoy") &&
         headers.Set("x-envoy-upstream-service-time", std::to_string(upstream_time.count()));
}

}  // namespace aquifer::waypoint
