// Resources of our own types (mesh/proto/waypoint.proto) as the control plane might send them:
// decoded, and what was decoded asked about requests. The first byte chooses the type.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "mesh/proto/waypoint.pb.h"
#include "waypoint/authz.h"
#include "waypoint/decode_gateway.h"
#include "waypoint/decode_l4_route.h"
#include "waypoint/decode_policy.h"
#include "waypoint/decode_route.h"
#include "waypoint/filters/header_modifier.h"
#include "waypoint/l4_index.h"
#include "waypoint/route_index.h"
#include "waypoint/router.h"

using namespace aquifer;            // NOLINT
using namespace aquifer::waypoint;  // NOLINT

namespace {

http::RequestHead Sample(const char* path) {
  http::RequestHead head{"GET", "http", "a.example.com:80", path, {}};
  (void)head.headers.Add("x-a", "1");
  (void)head.headers.Add("x-a", "2");
  (void)head.headers.Add("origin", "https://a.example.com");
  return head;
}

void AskRoute(const RoutePtr& route) {
  const RouteTable table({route});
  for (const char* path : {"/", "/a/b?x=1&y", "/a%20b/"}) {
    http::RequestHead head = Sample(path);
    std::string storage;
    const RequestView view = ViewOf(head, storage);
    const Matched found = table.Find(view);
    const RouteAction action = Decide(found, view, nullptr, 80, 7);
    if (found.rule == nullptr || action.reply) continue;
    (void)ModifyRequest(found.rule->filters.request_headers, head);
  }
}

void AskPolicy(const mesh::v1::AuthorizationPolicy& message) {
  Gateway gateway;
  gateway.name = {"a", "b"};
  const auto policy = std::make_shared<const Policy>(DecodePolicy(message));
  const PolicyIndex index(gateway, {policy});
  const http::RequestHead head = Sample("/a/b?x");
  std::string storage;
  const RequestView view = ViewOf(head, storage);
  const certs::Identity peer{"cluster.local", "a", "b"};
  for (const bool is_http : {true, false}) {
    const AuthzInput input{.request = is_http ? &view : nullptr,
                           .peer = &peer,
                           .source_ip = Ip::V4(10, 0, 0, 1),
                           .remote_ip = Ip::V4(10, 0, 0, 1),
                           .destination = {Ip::V4(10, 0, 0, 2), 80},
                           .mesh = &gateway.mesh};
    const Verdict verdict = Authorize(index.ForGateway(), input);
    // A policy that was refused and counts here lets nothing through.
    const bool everywhere = !policy->refused.empty() && !policy->dry_run &&
                            !policy->targets.empty() &&
                            policy->targets[0].kind == PolicyTarget::Kind::kEverything;
    if (everywhere && verdict.allowed) std::abort();
  }
}

void AskL4Route(const mesh::v1::L4Route& message) {
  Decoded<L4Route> decoded = DecodeL4Route(message);
  auto route = std::make_shared<const L4Route>(
      decoded.ok() ? *std::move(decoded)
                   : RefusedL4Route(message, "TCPRoute/a/b", decoded.error()));
  // Nothing of a route that was refused can be reached.
  if (!route->refused.empty() && !route->backends.empty()) std::abort();
  Gateway gateway;
  gateway.name = {"a", "b"};
  gateway.listeners = {{"tcp", 1, ListenerProtocol::kTcp, ""},
                       {"tls", 2, ListenerProtocol::kTls, "*.example.com"},
                       {"udp", 1, ListenerProtocol::kUdp, ""}};
  const L4Index index(gateway, {route});
  for (const L4Route* found :
       {index.ForTcp(1), index.ForTls(2, "a.example.com"), index.ForUdp(1)}) {
    if (found != nullptr && found != route.get()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const int length = static_cast<int>(size - 1);
  switch (data[0] % 4) {
    case 0: {
      mesh::v1::Gateway message;
      if (message.ParseFromArray(data + 1, length)) (void)DecodeGateway(message);
      break;
    }
    case 1: {
      mesh::v1::HttpRoute message;
      if (!message.ParseFromArray(data + 1, length)) break;
      Decoded<HttpRoute> route = DecodeHttpRoute(message);
      if (route) AskRoute(std::make_shared<const HttpRoute>(*std::move(route)));
      break;
    }
    case 3: {
      mesh::v1::L4Route message;
      if (message.ParseFromArray(data + 1, length)) AskL4Route(message);
      break;
    }
    default: {
      mesh::v1::AuthorizationPolicy message;
      if (message.ParseFromArray(data + 1, length)) AskPolicy(message);
      break;
    }
  }
  return 0;
}
