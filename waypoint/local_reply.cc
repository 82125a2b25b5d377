#include "waypoint/local_reply.h"

#include <utility>

namespace aquifer::waypoint {
namespace {

struct Form {
  int status;
  int grpc_status;
  std::string_view body;
  std::string_view flags;
  std::string_view details;
};

Form FormOf(ReplyKind kind) {
  switch (kind) {
    case ReplyKind::kDenied:
      return {403, 7, "RBAC: access denied", "-", "rbac_access_denied"};
    case ReplyKind::kNoRoute:
      return {404, 12, "", "NR", "route_not_found"};
    case ReplyKind::kInvalidRoute:
      return {500, 14, "", "-", "direct_response"};
    case ReplyKind::kNoHealthyUpstream:
      return {503, 14, "no healthy upstream", "UH", "no_healthy_upstream"};
    case ReplyKind::kConnectFailure:
      return {503, 14,
              "upstream connect error or disconnect/reset before headers. retried and the latest "
              "reset reason: remote connection failure",
              "UF,URX", "upstream_reset_before_response_started{remote_connection_failure}"};
    case ReplyKind::kConnectTimeout:
      return {503, 14,
              "upstream connect error or disconnect/reset before headers. retried and the latest "
              "reset reason: connection timeout",
              "UF,URX", "upstream_reset_before_response_started{connection_timeout}"};
    case ReplyKind::kUpstreamReset:
      return {503, 14,
              "upstream connect error or disconnect/reset before headers. reset reason: connection "
              "termination",
              "UC", "upstream_reset_before_response_started{connection_termination}"};
    case ReplyKind::kUpstreamProtocol:
      return {502, 14,
              "upstream connect error or disconnect/reset before headers. reset reason: protocol "
              "error",
              "UPE", "upstream_reset_before_response_started{protocol_error}"};
    case ReplyKind::kUpstreamTimeout:
      return {504, 14, "upstream request timeout", "UT", "response_timeout"};
    case ReplyKind::kOverload:
      return {503, 14,
              "upstream connect error or disconnect/reset before headers. reset reason: overflow",
              "UO", "overflow"};
    case ReplyKind::kBadRequest:
      return {400, 13, "", "DPE", "path_normalization_failed"};
    case ReplyKind::kHttp10:
      return {426, 2, "Upgrade Required", "DPE", "low_version"};
    case ReplyKind::kRedirect:
      return {302, 2, "", "-", "direct_response"};
    case ReplyKind::kPreflight:
      return {200, 2, "", "-", "cors_response"};
  }
  return {500, 2, "", "-", ""};
}

}  // namespace

LocalReply MakeReply(ReplyKind kind) {
  const Form form = FormOf(kind);
  LocalReply reply;
  reply.kind = kind;
  reply.status = form.status;
  reply.grpc_status = form.grpc_status;
  reply.body = form.body;
  reply.flags = form.flags;
  reply.details = form.details;
  if (kind == ReplyKind::kOverload) (void)reply.fields.Add("x-envoy-overloaded", "true");
  return reply;
}

LocalReply MakeReply(ReplyKind kind, int status, http::HeaderList fields) {
  LocalReply reply = MakeReply(kind);
  if (status != 0) reply.status = status;
  reply.fields = std::move(fields);
  return reply;
}

bool IsGrpc(const http::HeaderList& request_headers) {
  constexpr std::string_view kType = "application/grpc";
  const std::optional<std::string_view> type = request_headers.Get("content-type");
  if (!type || type->size() < kType.size()) return false;
  if (!http::EqualsIgnoreCase(type->substr(0, kType.size()), kType)) return false;
  // "application/grpc-web" is another protocol, whose errors are ordinary HTTP.
  const std::string_view rest = type->substr(kType.size());
  return rest.empty() || rest.front() == '+' || rest.front() == ';' || rest.front() == ' ';
}

// The order of the fields is part of what is promised: a denial is compared byte for byte.
http::ResponseHead ReplyHead(const LocalReply& reply, bool grpc, std::string_view date) {
  const bool redirect = reply.kind == ReplyKind::kRedirect || reply.kind == ReplyKind::kPreflight;
  http::ResponseHead head;
  head.status = reply.status;
  http::HeaderList& headers = head.headers;
  if (grpc && !redirect) {
    head.status = 200;
    (void)headers.Add("content-type", "application/grpc");
    (void)headers.Add("grpc-status", std::to_string(reply.grpc_status));
    if (!reply.body.empty()) (void)headers.Add("grpc-message", reply.body);
  } else if (!reply.body.empty()) {
    (void)headers.Add("content-length", std::to_string(reply.body.size()));
    (void)headers.Add("content-type", "text/plain");
  }
  for (const http::HeaderField field : reply.fields) (void)headers.Add(field.name, field.value);
  (void)headers.Add("date", date);
  (void)headers.Add("server", "istio-envoy");
  return head;
}

}  // namespace aquifer::waypoint
