#include "control/xds_server.h"

#include <algorithm>

#include "core/rt/scope.h"

namespace aquifer::control {
namespace {

constexpr const char* kMethod =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

std::string Field(const XdsSession::Request& request, const char* name) {
  const auto& fields = request.node().metadata().fields();
  const auto found = fields.find(name);
  return found == fields.end() ? std::string() : found->second.string_value();
}

// A client that reconnects tells the version of everything it has: about 100 bytes a resource.
constexpr std::size_t kMaxRequestBytes = 64 << 20;
// A proxy has one, and for a moment a second one when it reconnects or is replaced.
constexpr std::size_t kMaxStreamsOfCaller = 16;

}  // namespace

struct XdsServer::Stream {
  Stream(Caller owner, StopToken parent) : caller(std::move(owner)), stop(parent) {}

  Caller caller;
  std::string client;                 // node id, for logs
  std::optional<XdsSession> session;  // after the first request
  Event due;                          // a request came, or a table
  http::GrpcStatus end;
  StopSource stop;
};

XdsServer::XdsServer(Callers& callers, obs::Logger& log, obs::Registry& registry)
    : callers_(callers),
      log_(log),
      rejections_(registry.AddCounter({.name = "aquifer_xds_rejected",
                                       .help = "Responses that a client refused (NACK)",
                                       .unit = {}})),
      pushes_(registry.AddCounter(
          {.name = "aquifer_xds_pushes", .help = "Responses sent", .unit = {}})),
      open_(registry.AddGauge({.name = "aquifer_xds_streams", .help = "Open streams", .unit = {}})
                .With({})),
      table_(std::make_shared<const ResourceTable>()) {}

void XdsServer::RegisterWith(http::GrpcServer& server) {
  server.Register(kMethod,
                  [this](http::GrpcServerCall& call, StopToken stop) { return Serve(call, stop); });
}

void XdsServer::Publish(std::shared_ptr<const ResourceTable> table) {
  table_ = std::move(table);
  for (Stream* stream : streams_) {
    if (stream->session) stream->session->OnTable(table_);
    stream->due.Set();
  }
}

std::size_t XdsServer::StreamsOf(const Caller& caller) const {
  return static_cast<std::size_t>(
      std::count_if(streams_.begin(), streams_.end(),
                    [&](const Stream* stream) { return stream->caller == caller; }));
}

Task<http::GrpcStatus> XdsServer::Serve(http::GrpcServerCall& call, StopToken stop) {
  const std::optional<Caller> caller = co_await callers_.Find(call.request(), call.peer(), stop);
  if (!caller) {
    log_.Limited(limiter_, obs::Level::kWarn, "xds", "stream refused",
                 {{"why", "no token, or one that nobody has"}});
    co_return http::GrpcStatus{http::GrpcCode::kUnauthenticated, "a token of this mesh is needed"};
  }
  if (StreamsOf(*caller) >= kMaxStreamsOfCaller) {
    log_.Limited(limiter_, obs::Level::kWarn, "xds", "stream refused",
                 {{"caller", ToString(*caller)}, {"why", "too many streams"}});
    co_return http::GrpcStatus{http::GrpcCode::kResourceExhausted, "too many streams"};
  }
  call.set_max_message_bytes(kMaxRequestBytes);
  Stream stream(*caller, stop);
  streams_.insert(&stream);
  open_->Add(1);
  Scope reading;
  reading.Spawn(ReadRequests(call, stream, stream.stop.token()));
  while (true) {
    const Status waited = co_await stream.due.Wait(stream.stop.token());
    if (!waited) break;
    stream.due.Reset();
    while (stream.session) {
      std::optional<XdsSession::Response> response = stream.session->Next();
      if (!response) break;
      pushes_.With({{"type_url", response->type_url()}})->Add();
      log_.Debug("xds", "response",
                 {{"client", stream.client},
                  {"type_url", response->type_url()},
                  {"resources", response->resources_size()},
                  {"removed", response->removed_resources_size()}});
      const Status sent = co_await call.Send(response->SerializeAsString(), stream.stop.token());
      if (!sent) stream.stop.RequestStop(sent.error().reason);
    }
  }
  co_await reading.Join();
  streams_.erase(&stream);
  open_->Add(-1);
  log_.Info("xds", "stream ended", {{"client", stream.client}, {"status", stream.end.ToString()}});
  co_return stream.end;
}

Task<void> XdsServer::ReadRequests(http::GrpcServerCall& call, Stream& stream, StopToken stop) {
  while (true) {
    Result<std::optional<std::string>> message = co_await call.Receive(stop);
    XdsSession::Request request;
    if (!message || !message->has_value()) break;
    if (!request.ParseFromString(**message) || !TakeFirst(request, stream)) {
      stream.end = {http::GrpcCode::kInvalidArgument, "not a DeltaDiscoveryRequest"};
      break;
    }
    Decoded<XdsSession::Outcome> outcome = stream.session->OnRequest(request);
    if (!outcome) {
      stream.end = {http::GrpcCode::kInvalidArgument, outcome.error().ToString()};
      log_.Warn("xds", "request refused",
                {{"client", stream.client}, {"error", outcome.error().ToString()}});
      break;
    }
    if (outcome->rejection) {
      rejections_.With({{"type_url", outcome->rejection->type_url}})->Add();
      log_.Limited(limiter_, obs::Level::kWarn, "xds", "client refused resources",
                   {{"client", stream.client},
                    {"type_url", outcome->rejection->type_url},
                    {"error", outcome->rejection->message}});
    }
    stream.due.Set();
  }
  stream.stop.RequestStop(Reason::kPeerClosed);
}

// The first request says who the client is; what it is shown follows from that, within what its
// token is for.
bool XdsServer::TakeFirst(const XdsSession::Request& request, Stream& stream) {
  if (stream.session) return true;
  XdsAudience audience;
  stream.client = request.node().id().substr(0, 256);
  if (const auto* node = std::get_if<NodeCaller>(&stream.caller)) {
    audience.node = node->node;
  } else {
    const certs::Identity& identity = std::get<WorkloadCaller>(stream.caller).identity;
    const std::string gateway = Field(request, "GATEWAY_NAME");
    if (!gateway.empty()) audience.gateway = identity.ns + "/" + gateway;
  }
  log_.Info("xds", "stream opened",
            {{"client", stream.client},
             {"caller", ToString(stream.caller)},
             {"gateway", audience.gateway}});
  stream.session.emplace(std::move(audience), table_);
  return true;
}

}  // namespace aquifer::control
