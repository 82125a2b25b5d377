// The client's side of delta xDS (envoy.service.discovery.v3, DeltaAggregatedResources) without a
// socket: which types we follow, what we hold of each, and the requests that say so. Responses come
// in, resources go out to a sink, an ACK or NACK is due after each. Survives reconnects: what is
// held is told to the new stream, so that nothing is sent twice. One thread: the control loop's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "mesh/held_versions.h"
#include "mesh/proto/discovery.pb.h"
#include "mesh/wanted_names.h"
#include "mesh/xds_response.h"

namespace aquifer::mesh {

// Takes what the control plane says. One response is between Begin and Commit, so that it can
// become visible as a whole.
class XdsSink {
 public:
  virtual ~XdsSink() = default;
  virtual void BeginResponse() {}
  // A new or changed resource, as bytes of the message that `type_url` names. A refusal says why it
  // is not taken; whatever was held under that name before stays or goes as the sink sees fit.
  virtual Result<void, Refusal> OnResource(std::string_view type_url, std::string_view name,
                                           std::string_view message) = 0;
  virtual void OnRemoved(std::string_view type_url, const std::string& name) = 0;
  virtual void CommitResponse() {}
};

class XdsState {
 public:
  // `types` are followed whole (wildcard), except that of `on_demand`, which is one of them or
  // empty: nothing but what Want names. `node` goes with the first request of each stream.
  XdsState(std::vector<std::string> types, envoy::config::core::v3::Node node,
           std::string on_demand = {}, const WantedNames::Limits& limits = {});

  // --- on demand ---
  using Request = envoy::service::discovery::v3::DeltaDiscoveryRequest;
  WantedNames::Verdict Want(std::string_view name, TimePoint now) {
    return wanted_.Want(name, now);
  }
  // For who has wanted it and waits.
  WantedNames::Verdict Look(std::string_view name, TimePoint now) {
    return wanted_.Look(name, now);
  }
  // The next request about names that the stream has not been told of, if there are any.
  std::optional<Request> NextWanted();

  // A stream was opened: these are its first requests, one a type.
  std::vector<envoy::service::discovery::v3::DeltaDiscoveryRequest> OnConnected();

  struct Outcome {
    envoy::service::discovery::v3::DeltaDiscoveryRequest answer;  // ACK, or NACK with error_detail
    std::vector<Refusal> refused;  // field = resource name; good ones were applied all the same
    bool answered = false;         // names that were waited for (Want)
  };
  // A response of the stream. A Refusal instead of an outcome means that the stream makes no sense
  // and has to be closed.
  Decoded<Outcome> OnResponse(const envoy::service::discovery::v3::DeltaDiscoveryResponse& response,
                              XdsSink& sink);
  // The same, of a response whose resources are not parsed yet.
  Decoded<Outcome> OnResponse(const SplitResponse& response, XdsSink& sink);

  // Every type has had its first response: what follows are changes.
  bool synced() const;
  // What is still waited for, for readiness and log.
  std::vector<std::string> Pending() const;
  std::size_t held(std::string_view type_url) const;

 private:
  struct Type {
    std::string url;
    bool synced = false;
    HeldVersions versions;
    bool on_demand = false;
  };
  Decoded<Type*> Begin(const envoy::service::discovery::v3::DeltaDiscoveryResponse& response);
  void Take(Type& type, const ResourceView& resource, std::size_t index, XdsSink& sink,
            Outcome& outcome);
  std::optional<Refusal> Apply(Type& type, const ResourceView& resource, std::size_t index,
                               XdsSink& sink);
  void Finish(Type& type, const envoy::service::discovery::v3::DeltaDiscoveryResponse& response,
              XdsSink& sink, Outcome& outcome);
  Type* Find(std::string_view url);

  std::vector<Type> types_;
  envoy::config::core::v3::Node node_;
  WantedNames wanted_;
  std::uint32_t mark_ = 0;  // of the response that is being taken
};

// Of google.rpc.Code: what a NACK carries.
inline constexpr int kInvalidArgument = 3;

}  // namespace aquifer::mesh
