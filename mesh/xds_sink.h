// Where discovery meets the model: resources of the workload API go into a builder, and each
// response that changed something becomes one snapshot. Resources of other types go to another
// sink, if there is one (a waypoint's routes). Belongs to the control loop: one thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "mesh/builder.h"
#include "mesh/snapshot.h"
#include "mesh/xds_state.h"

namespace aquifer::mesh {

inline constexpr std::string_view kAddressType = "type.googleapis.com/istio.workload.Address";
inline constexpr std::string_view kAuthorizationType =
    "type.googleapis.com/istio.security.Authorization";

class MeshSink final : public XdsSink {
 public:
  using Publish = std::function<void(SnapshotRef)>;

  // `builder` and `others` outlive the sink.
  MeshSink(Builder& builder, Publish publish, XdsSink* others = nullptr)
      : builder_(builder), publish_(std::move(publish)), others_(others) {}

  void BeginResponse() override;
  Result<void, Refusal> OnResource(std::string_view type_url, std::string_view name,
                                   std::string_view message) override;
  void OnRemoved(std::string_view type_url, const std::string& name) override;
  void CommitResponse() override;

 private:
  Result<void, Refusal> TakeAddress(std::string_view name, std::string_view message);

  Builder& builder_;
  const Publish publish_;
  XdsSink* const others_;
  SnapshotRef published_;
  // One after the other: their strings are used again, which an Address would throw away.
  istio::workload::Workload workload_;
  istio::workload::Service service_;
};

}  // namespace aquifer::mesh
