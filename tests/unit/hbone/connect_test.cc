#include "hbone/connect.h"

#include "tests/support/catch.h"

namespace aquifer::hbone {
namespace {

http::RequestHead Connect(std::string authority) {
  http::RequestHead head;
  head.method = "CONNECT";
  head.authority = std::move(authority);
  return head;
}

}  // namespace

TEST_CASE("an authority is an address or a name, always with a port") {
  CHECK(std::get<Address>(*ParseAuthority("10.0.0.1:80")) == Address{Ip::V4(10, 0, 0, 1), 80});
  CHECK(std::get<Address>(*ParseAuthority("[fd00::1]:80")).ip.is_v6());
  CHECK(std::get<HostPort>(*ParseAuthority("Web.Default.svc:8080")) ==
        HostPort{"web.default.svc", 8080});
  for (const char* text : {"", "10.0.0.1", "10.0.0.1:0", "10.0.0.1:99999", ":80", "10.0.0:80",
                           "1.2.3.4.5:80", "a b:80", "a/b:80", "user@host:80", "host:80:90",
                           "fd00::1:80", "host:", "..:80", "host\r\nx:80"}) {
    INFO(text);
    CHECK_FALSE(ParseAuthority(text));
  }
}

TEST_CASE("a request survives being written and read") {
  ConnectRequest request{.authority = Address{Ip::V4(10, 0, 0, 1), 80},
                         .baggage = {},
                         .forwarded_for = {},
                         .forwarded_host = {},
                         .traceparent = {},
                         .forwarded_network = {}};
  request.baggage = {.cluster = "Kubernetes",
                     .ns = "default",
                     .workload_type = "pod",
                     .workload_name = "sleep",
                     .service_name = "a,b=c",
                     .service_version = "v1",
                     .region = "r",
                     .zone = "z"};
  request.forwarded_for = Address::Parse("10.2.3.4:5678");
  request.forwarded_host = "web.default.svc";
  request.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
  request.forwarded_network = "net1";
  const Decoded<ConnectRequest> read = DecodeRequest(EncodeRequest(request));
  REQUIRE(read.ok());
  CHECK(read->authority == request.authority);
  CHECK(read->baggage == request.baggage);
  CHECK(read->forwarded_for == request.forwarded_for);
  CHECK(read->forwarded_host == request.forwarded_host);
  CHECK(read->traceparent == request.traceparent);
  CHECK(read->forwarded_network == request.forwarded_network);
}

TEST_CASE("what is no CONNECT is refused with the field named") {
  http::RequestHead get = Connect("10.0.0.1:80");
  get.method = "GET";
  CHECK(DecodeRequest(get).error().field == ":method");
  CHECK(DecodeRequest(Connect("10.0.0.1")).error().field == ":authority");
  http::RequestHead long_baggage = Connect("10.0.0.1:80");
  long_baggage.headers.Add("baggage", std::string(5000, 'x'));
  CHECK(DecodeRequest(long_baggage).error().field == "baggage");
}

TEST_CASE("malformed baggage members are left out and the others stay") {
  const Baggage baggage = ParseBaggage(
      "k8s.cluster.name=c, ,=,x, k8s.job.name = j "
      ";meta=1,k8s.evil.name=e,service.name=%41%4,cloud.region=");
  CHECK(baggage.cluster == "c");
  CHECK(baggage.workload_type == "job");
  CHECK(baggage.workload_name == "j");
  CHECK(baggage.service_name == "A%4");
  CHECK(baggage.region.empty());
}

TEST_CASE("forwarded takes for and host and nothing that is not one") {
  const Forwarded good = ParseForwarded("for=\"10.0.0.1:80\";proto=http;host=a.b");
  CHECK(good.for_address == Address::Parse("10.0.0.1:80"));
  CHECK(good.host == "a.b");
  const Forwarded bad = ParseForwarded("for=unknown;;host=\"a b\";=;for");
  CHECK_FALSE(bad.for_address);
  CHECK(bad.host.empty());
}

}  // namespace aquifer::hbone
