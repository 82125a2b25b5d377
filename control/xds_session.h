// The server's side of one delta xDS stream (envoy.service.discovery.v3, DeltaAggregatedResources)
// without a socket: what the client subscribed to, what it has, and which response is due. Requests
// and tables come in, responses go out; of each type at most one response is unanswered, and what
// changes meanwhile is sent together afterwards. Owned by the stream's task in
// control/xds_server.cc; one thread.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control/resources.h"
#include "core/base/result.h"
#include "mesh/proto/discovery.pb.h"

namespace aquifer::control {

struct XdsLimits {
  size_t names = 65'536;        // subscribed, of one type
  size_t versions = 1'000'000;  // told after a reconnect, of one type
  size_t name_bytes = 1024;
};

// Which resources a client may see, and which it gets unasked.
struct XdsAudience {
  std::string node;     // its pods are pushed to it
  std::string gateway;  // "<namespace>/<name>" of the Gateway that it serves
};

class XdsSession {
 public:
  using Request = envoy::service::discovery::v3::DeltaDiscoveryRequest;
  using Response = envoy::service::discovery::v3::DeltaDiscoveryResponse;
  using TableRef = std::shared_ptr<const ResourceTable>;

  struct Rejection {  // a NACK
    std::string type_url;
    std::string message;
  };
  struct Outcome {
    std::optional<Rejection> rejection;
    bool unknown_type = false;  // ignored
  };

  XdsSession(XdsAudience audience, TableRef table, XdsLimits limits = {});

  // A refusal means that the stream has to end.
  Decoded<Outcome> OnRequest(const Request& request);
  void OnTable(TableRef table) { table_ = std::move(table); }
  // The next response that is due, or empty: ask again after OnRequest or OnTable.
  std::optional<Response> Next();

 private:
  struct Type {
    bool asked = false;
    bool wildcard = false;
    std::set<std::string, std::less<>> names;
    std::map<std::string, std::string, std::less<>>
        held;       // name to version, as told; until the first response
    TableRef sent;  // what the client is up to date with; null before the first response
    std::set<std::string> due;  // names just subscribed to, to be answered even if nothing changed
    std::string nonce;          // of the response that is not answered yet
  };
  struct Changes {
    std::map<std::string, ResourceRef> resources;
    std::set<std::string> removed;
  };

  Type& StateOf(ResourceType type) { return types_[static_cast<size_t>(type)]; }
  Result<void, Refusal> Check(const Request& request, const Type& state) const;
  void Subscribe(Type& state, const Request& request);
  bool Visible(ResourceType type, const std::string& name, const Resource& resource) const;

  void Add(ResourceType type, const std::string& name, Changes& changes) const;
  void AddNamed(ResourceType type, const std::string& name, Changes& changes) const;
  void AddFirst(ResourceType type, Changes& changes) const;
  void AddChange(ResourceType type, const std::string& name, Changes& changes) const;
  void AddChanged(ResourceType type, Changes& changes) const;
  std::optional<Response> Respond(ResourceType type);

  const XdsAudience audience_;
  const XdsLimits limits_;
  TableRef table_;
  std::array<Type, kResourceTypeCount> types_;
  std::uint64_t last_nonce_ = 0;
};

}  // namespace aquifer::control
