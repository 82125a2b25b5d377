#include "node-proxy/session.h"

#include "core/rt/loop.h"

namespace aquifer::node {
namespace {

void FillPeer(obs::TcpPeerLabels& labels, const mesh::Workload& workload) {
  labels.workload = workload.workload_name;
  labels.canonical_service = workload.canonical_name;
  labels.canonical_revision = workload.canonical_revision;
  labels.workload_namespace = workload.ns;
  labels.app = workload.canonical_name;
  labels.version = workload.canonical_revision;
  labels.cluster = workload.cluster_id;
  labels.region = workload.locality.region;
  labels.zone = workload.locality.zone;
}

void FillLogPeer(obs::AccessPeer& peer, const mesh::WorkloadRef& workload,
                 const std::string& identity) {
  peer.identity = identity;
  if (workload == nullptr) return;
  peer.workload = workload->name;
  peer.workload_namespace = workload->ns;
  peer.cluster = workload->cluster_id;
}

}  // namespace

obs::TcpPeerLabels PeerLabelsOf(const mesh::Workload& workload) {
  obs::TcpPeerLabels labels;
  FillPeer(labels, workload);
  labels.principal = workload.identity().ToString();
  return labels;
}

void Session::End::SetWorkload(mesh::WorkloadRef workload) {
  if (!proven_) {
    workload_ = std::move(workload);
    return;
  }
  const certs::Identity identity = other_ != nullptr ? *other_ : workload_->identity();
  workload_ = std::move(workload);
  SetIdentity(identity);
}

void Session::End::SetIdentity(const certs::Identity& identity) {
  proven_ = true;
  const bool own = workload_ != nullptr && workload_->identity() == identity;
  other_ = own ? nullptr : std::make_unique<const certs::Identity>(identity);
}

std::string Session::End::IdentityText() const {
  if (!proven_) return {};
  return other_ != nullptr ? other_->ToString() : workload_->identity().ToString();
}

Session::Session(WorkerContext& context, obs::RateLimiter& refusal_lines, obs::Direction direction,
                 const Address& source, const Address& destination)
    : context_(context),
      refusal_lines_(refusal_lines),
      direction_(direction),
      source_address_(source),
      destination_address_(destination),
      asked_for_(destination),
      started_(Loop::Current().now()) {
  context_.sessions.PushBack(*this);
}

Session::~Session() {
  const std::string error = end_.ok()         ? std::string()
                            : detail_.empty() ? Describe(end_.error())
                                              : detail_;
  const Identities identities = ProvenIdentities();
  if (early_) {
    obs::AccessEntry entry = Entry(identities);
    entry.error = error;
    obs::LogConnectionFailed(context_.log, refusal_lines_, entry);
    return;
  }
  Open();
  counted_->AddClientToServer(totals_.a_to_b_bytes);
  counted_->AddServerToClient(totals_.b_to_a_bytes);
  counted_->Close(end_.ok() ? Reason::kOk : end_.error().reason);
  obs::AccessEntry entry = Entry(identities);
  entry.error = error;
  entry.client_to_server_bytes = totals_.a_to_b_bytes;
  entry.server_to_client_bytes = totals_.b_to_a_bytes;
  // The loop's time is read once a turn, which may have begun before this connection did.
  entry.duration =
      std::chrono::duration_cast<std::chrono::milliseconds>(Loop::Current().now() - started_);
  obs::LogConnectionComplete(context_.log, entry);
}

void Session::Open() {
  if (counted_) return;
  counted_ = context_.tcp_metrics.Open(Labels());
  if (!context_.log.enabled(obs::Level::kDebug, obs::kAccessScope)) return;
  obs::LogConnectionOpened(context_.log, Entry(ProvenIdentities()));
}

std::optional<ConnectionView> Session::View() const {
  const bool inbound = direction_ == obs::Direction::kInbound;
  const mesh::WorkloadRef& pod = inbound ? destination_.workload() : source_.workload();
  if (!counted_ || pod == nullptr) return std::nullopt;
  ConnectionView view{.pod = pod->name,
                      .pod_namespace = pod->ns,
                      .direction = direction_,
                      .source = source_address_.ToString(),
                      .original_destination = std::nullopt,
                      .actual_destination = destination_address_.ToString(),
                      .hbone = !hbone_target_.empty()};
  if (!inbound) {
    view.original_destination = asked_for_.ToString();
    return view;
  }
  if (view.hbone) view.actual_destination = hbone_target_;
  if (service_ != nullptr) view.original_destination = service_->hostname;
  return view;
}

Session::Identities Session::ProvenIdentities() const {
  return {source_.IdentityText(), destination_.IdentityText()};
}

// Refers to this and to `identities`.
obs::AccessEntry Session::Entry(const Identities& identities) const {
  obs::AccessEntry entry;
  entry.source.address = source_address_;
  entry.destination.address = destination_address_;
  entry.direction = direction_;
  FillLogPeer(entry.source, source_.workload(), identities.source);
  FillLogPeer(entry.destination, destination_.workload(), identities.destination);
  entry.hbone_target = hbone_target_;
  if (service_ != nullptr) entry.service = service_->hostname;
  return entry;
}

void Session::Fail(const Error& error, std::string detail) {
  end_ = error;
  detail_ = std::move(detail);
}

void Session::FailTunnel(const hbone::TunnelError& error) {
  Fail(error.error, error.detail);
  if (error.peer) SetDestinationIdentity(*error.peer);
  if (error.status != 0) context_.hbone_metrics.CountAnswer(error.status, error.error.reason);
}

Error Session::RejectEarly(const Error& error, std::string detail) {
  Fail(error, std::move(detail));
  early_ = true;
  return error;
}

void Session::Finish(const Status& copied) {
  if (copied.ok()) return;
  const Reason reason = copied.error().reason;
  if (reason == Reason::kPeerReset || reason == Reason::kPeerClosed) return;
  end_ = copied;
  if (totals_.silent)
    detail_ = "nothing came for longer than AQUIFER_IDLE_TIMEOUT or AQUIFER_HALF_CLOSED_TIMEOUT";
}

obs::TcpLabels Session::Labels() const {
  obs::TcpLabels labels;
  labels.reporter = direction_ == obs::Direction::kOutbound ? obs::Reporter::kSource
                                                            : obs::Reporter::kDestination;
  labels.mutual_tls = source_.proven() && destination_.proven();
  if (source_.workload() != nullptr) FillPeer(labels.source, *source_.workload());
  if (destination_.workload() != nullptr) FillPeer(labels.destination, *destination_.workload());
  labels.source.principal = source_.IdentityText();
  // Whom it was for, proven or not: connection_security_policy tells which. So dashboards have it
  // from Istio's node proxy.
  if (destination_.proven()) {
    labels.destination.principal = destination_.IdentityText();
  } else if (destination_.workload() != nullptr) {
    labels.destination.principal = destination_.workload()->identity().ToString();
  }
  if (service_ != nullptr) {
    labels.destination_service = service_->hostname;
    labels.destination_service_namespace = service_->ns;
    labels.destination_service_name = service_->name;
  }
  return labels;
}

}  // namespace aquifer::node
