#include "waypoint/local_reply.h"

#include "tests/support/catch.h"
#include "waypoint/head_edit.h"
#include "waypoint/http_date.h"

namespace aquifer::waypoint {
namespace {

constexpr std::string_view kDate = "Sun, 06 Nov 1994 08:49:37 GMT";

std::string Text(const http::HeaderList& headers) {
  std::string text;
  for (const http::HeaderField field : headers) {
    text.append(field.name).append(": ").append(field.value).append("\n");
  }
  return text;
}

TEST_CASE("a denial has the bytes that Istio's users know") {
  const LocalReply denied = MakeReply(ReplyKind::kDenied);
  const http::ResponseHead head = ReplyHead(denied, false, kDate);
  CHECK(head.status == 403);
  CHECK(denied.body == "RBAC: access denied");
  CHECK(denied.body.size() == 19);
  CHECK(Text(head.headers) ==
        "content-length: 19\ncontent-type: text/plain\n"
        "date: Sun, 06 Nov 1994 08:49:37 GMT\nserver: istio-envoy\n");
}

TEST_CASE("a gRPC client is denied in trailers only") {
  const http::ResponseHead head = ReplyHead(MakeReply(ReplyKind::kDenied), true, kDate);
  CHECK(head.status == 200);
  CHECK(head.headers.Get("content-type") == "application/grpc");
  CHECK(head.headers.Get("grpc-status") == "7");
  CHECK(head.headers.Get("grpc-message") == "RBAC: access denied");
}

TEST_CASE("no route is 404 with an empty body, and 12 for gRPC") {
  const http::ResponseHead head = ReplyHead(MakeReply(ReplyKind::kNoRoute), false, kDate);
  CHECK(head.status == 404);
  CHECK_FALSE(head.headers.Has("content-type"));
  const http::ResponseHead grpc = ReplyHead(MakeReply(ReplyKind::kNoRoute), true, kDate);
  CHECK(grpc.headers.Get("grpc-status") == "12");
  CHECK_FALSE(grpc.headers.Has("grpc-message"));
}

TEST_CASE("failures have the status and text of Envoy") {
  CHECK(MakeReply(ReplyKind::kNoHealthyUpstream).body == "no healthy upstream");
  CHECK(MakeReply(ReplyKind::kUpstreamTimeout).status == 504);
  CHECK(MakeReply(ReplyKind::kUpstreamTimeout).body == "upstream request timeout");
  CHECK(MakeReply(ReplyKind::kConnectFailure).status == 503);
  CHECK(MakeReply(ReplyKind::kConnectFailure).body ==
        "upstream connect error or disconnect/reset before headers. retried and the latest reset "
        "reason: remote connection failure");
  CHECK(MakeReply(ReplyKind::kHttp10).body.size() == 16);
  CHECK(MakeReply(ReplyKind::kOverload).fields.Get("x-envoy-overloaded") == "true");
}

TEST_CASE("gRPC is told by the content type, and gRPC-Web is not gRPC") {
  const auto is_grpc = [](const char* type) {
    http::HeaderList headers;
    REQUIRE(headers.Add("content-type", type));
    return IsGrpc(headers);
  };
  CHECK(is_grpc("application/grpc"));
  CHECK(is_grpc("application/grpc+proto"));
  CHECK_FALSE(is_grpc("application/grpc-web"));
  CHECK_FALSE(is_grpc("application/json"));
  CHECK_FALSE(IsGrpc(http::HeaderList()));
}

TEST_CASE("dates are written as HTTP has them") {
  CHECK(FormatHttpDate(784111777) == kDate);
  CHECK(FormatHttpDate(0) == "Thu, 01 Jan 1970 00:00:00 GMT");
  CHECK(FormatHttpDate(1709208000) == "Thu, 29 Feb 2024 12:00:00 GMT");
}

http::RequestHead Edited(const RequestEdit& edit,
                         std::vector<std::pair<const char*, const char*>> in) {
  http::RequestHead head{"GET", "", "a.com", "/", {}};
  for (const auto& [name, value] : in) REQUIRE(head.headers.Add(name, value));
  REQUIRE(EditRequest(edit, head));
  return head;
}

TEST_CASE("a waypoint adds what is missing and keeps what came") {
  http::RequestHead head = Edited({}, {});
  CHECK(head.headers.Get("x-forwarded-proto") == "http");
  CHECK(head.headers.Get("x-request-id")->size() == 36);
  CHECK_FALSE(head.headers.Has("x-forwarded-for"));
  head = Edited({}, {{"x-forwarded-proto", "https"},
                     {"x-request-id", "mine"},
                     {"x-forwarded-for", "1.2.3.4"},
                     {"forwarded", "for=1.2.3.4"}});
  CHECK(head.headers.Get("x-forwarded-proto") == "https");
  CHECK(head.headers.Get("x-request-id") == "mine");
  CHECK(head.headers.Get("x-forwarded-for") == "1.2.3.4");
  CHECK(head.headers.Has("forwarded"));
}

TEST_CASE("a client's claims about certificates and orders to Envoy are taken out") {
  RequestEdit edit;
  http::RequestHead head = Edited(edit, {{"X-Forwarded-Client-Cert", "URI=spiffe://evil"},
                                         {"x-envoy-internal", "true"},
                                         {"x-envoy-retry-on", "5xx"},
                                         {"x-envoy-upstream-rq-timeout-ms", "1"}});
  CHECK(head.headers.size() == 2);
  edit.client_cert = "By=spiffe://a;URI=spiffe://b";
  head = Edited(edit, {{"x-forwarded-client-cert", "forged"}});
  CHECK(head.headers.GetJoined("x-forwarded-client-cert") == edit.client_cert);
}

TEST_CASE("a gateway appends its peer and believes no scheme from outside") {
  RequestEdit edit{.edge = Edge::kGateway, .peer = Ip::V4(10, 0, 0, 1)};
  http::RequestHead head = Edited(edit, {{"x-forwarded-for", "1.1.1.1"},
                                         {"X-Forwarded-For", "2.2.2.2"},
                                         {"x-forwarded-proto", "https"}});
  CHECK(head.headers.GetJoined("x-forwarded-for") == "1.1.1.1, 2.2.2.2,10.0.0.1");
  CHECK(head.headers.Get("x-forwarded-proto") == "http");
}

TEST_CASE("the remote address is the peer or what trusted proxies say") {
  http::HeaderList headers;
  REQUIRE(headers.Add("x-forwarded-for", "1.1.1.1, 2.2.2.2"));
  REQUIRE(headers.Add("x-forwarded-for", "3.3.3.3"));
  const Ip peer = Ip::V4(10, 0, 0, 1);
  CHECK(RemoteAddress(headers, peer, Edge::kGateway, 0) == peer);
  CHECK(RemoteAddress(headers, peer, Edge::kGateway, 1) == Ip::V4(3, 3, 3, 3));
  CHECK(RemoteAddress(headers, peer, Edge::kGateway, 2) == Ip::V4(2, 2, 2, 2));
  CHECK(RemoteAddress(headers, peer, Edge::kGateway, 4) == peer);
  CHECK(RemoteAddress(headers, peer, Edge::kWaypoint, 0) == Ip::V4(3, 3, 3, 3));
  CHECK(RemoteAddress(headers, peer, Edge::kWaypoint, 1) == Ip::V4(2, 2, 2, 2));
  CHECK(RemoteAddress({}, peer, Edge::kWaypoint, 0) == peer);
}

TEST_CASE("a response says who served it and how long it took") {
  http::HeaderList headers;
  REQUIRE(headers.Add("Server", "gunicorn"));
  REQUIRE(headers.Add("x-envoy-upstream-service-time", "99"));
  REQUIRE(EditResponse(std::chrono::milliseconds(2), kDate, headers));
  CHECK(Text(headers) ==
        "server: istio-envoy\nx-envoy-upstream-service-time: 2\n"
        "date: Sun, 06 Nov 1994 08:49:37 GMT\n");
}

}  // namespace
}  // namespace aquifer::waypoint
