#include "mesh/xds_sink.h"

#include <limits>

namespace aquifer::mesh {
namespace {

template <class Message>
bool Parse(std::string_view bytes, Message& message) {
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int>::max())) return false;
  return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

Refusal Unreadable() { return Refusal{"", "is not a message of its type"}; }

}  // namespace

void MeshSink::BeginResponse() {
  if (others_ != nullptr) others_->BeginResponse();
}

Result<void, Refusal> MeshSink::OnResource(std::string_view type_url, std::string_view name,
                                           std::string_view message) {
  if (type_url == kAddressType) {
    return TakeAddress(name, message);
  }
  if (type_url == kAuthorizationType) {
    istio::security::Authorization policy;
    if (Parse(message, policy)) return builder_.PutAuthorization(name, policy);
    builder_.PutUnreadablePolicy(name);
    return Unreadable();
  }
  if (others_ != nullptr) return others_->OnResource(type_url, name, message);
  return Refusal{"", "is of a type that nothing here reads"};
}

Result<void, Refusal> MeshSink::TakeAddress(std::string_view name, std::string_view message) {
  using istio::workload::Address;
  if (const auto part = OnlyField(message, Address::kWorkloadFieldNumber)) {
    if (!Parse(*part, workload_)) return Unreadable();
    return builder_.PutAddress(name, workload_);
  }
  if (const auto part = OnlyField(message, Address::kServiceFieldNumber)) {
    if (!Parse(*part, service_)) return Unreadable();
    return builder_.PutAddress(name, service_);
  }
  Address address;
  if (!Parse(message, address)) return Unreadable();
  return builder_.PutAddress(name, address);
}

void MeshSink::OnRemoved(std::string_view type_url, const std::string& name) {
  if (type_url == kAddressType) return builder_.RemoveAddress(name);
  if (type_url == kAuthorizationType) return builder_.RemovePolicy(name);
  if (others_ != nullptr) others_->OnRemoved(type_url, name);
}

void MeshSink::CommitResponse() {
  SnapshotRef snapshot = builder_.Build();
  if (snapshot != published_) {
    published_ = snapshot;
    publish_(std::move(snapshot));
  }
  if (others_ != nullptr) others_->CommitResponse();
}

}  // namespace aquifer::mesh
