#include "waypoint/worker.h"

#include <random>
#include <tuple>

#include "certs/cache.h"
#include "core/rt/grace.h"
#include "hbone/pool.h"
#include "proxy/revocation_observer.h"
#include "waypoint/listeners.h"
#include "waypoint/mesh_backends.h"
#include "waypoint/upstream_pool.h"

namespace aquifer::waypoint {
namespace {

std::int64_t UnixSeconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

hbone::PoolOptions PoolOptionsOf(certs::Revocations* revocations) {
  hbone::PoolOptions options;
  options.revocations = revocations;
  return options;
}

OwnWorkload MakeOwn(const Config& config) {
  OwnWorkload own;
  own.identity = {config.trust_domain, config.pod_namespace, config.service_account};
  own.network = config.network;
  mesh::Workload& workload = own.workload;
  workload.uid = config.cluster_id + "//Pod/" + config.pod_namespace + "/" + config.pod_name;
  workload.name = config.pod_name;
  workload.ns = config.pod_namespace;
  workload.network = config.network;
  workload.trust_domain = config.trust_domain;
  workload.service_account = config.service_account;
  workload.workload_name = config.gateway_name;
  workload.canonical_name = config.gateway_name;
  workload.canonical_revision = "latest";
  workload.cluster_id = config.cluster_id;
  workload.node = config.node_name;
  if (const std::optional<Ip> ip = Ip::Parse(config.instance_ip)) workload.addresses = {*ip};
  return own;
}

}  // namespace

// Declared in the order in which the parts need each other.
struct Worker::State {
  explicit State(const WorkerInputs& inputs)
      : generator(std::random_device()()),
        own(MakeOwn(inputs.config)),
        certs(inputs.store, inputs.control, &certs::SystemWallTime),
        revocations(proxy::RevocationObserverOf(inputs.crl_metrics)),
        tunnels_pool(PoolOptionsOf(Revocations(inputs))),
        telemetry(inputs.metrics, inputs.log, mesh, own, inputs.config.access_log),
        drain(stop.token()) {
    if (inputs.crl_metrics != nullptr) revocations.SetLists(inputs.crls);
  }

  certs::Revocations* Revocations(const WorkerInputs& inputs) {
    return inputs.crl_metrics == nullptr ? nullptr : &revocations;
  }

  // The side of the mesh that we are on is known with the first rules.
  void Build(const WorkerInputs& inputs, Edge edge) {
    const auto random = [this] { return generator(); };
    backends = std::make_unique<MeshBackends>(mesh, own, edge, tunnels_pool, certs, random);
    upstream = std::make_unique<UpstreamPool>(*backends);
    parts.emplace(ExchangeParts{
        .rules = rules,
        .upstream = *upstream,
        .date = date,
        .own_principal = own.identity.ToString(),
        .random = random,
        .unix_seconds = &UnixSeconds,
        .observe = [this](const ConnectionContext& context, const RequestRecord& record) {
          telemetry.Observe(context, record);
        }});
    tunnels.emplace(*parts, mesh, own, *backends, limits, inputs.log, inputs.hbone_metrics,
                    drain.token());
    listeners.emplace(ListenerParts{.config = inputs.config,
                                    .exchange = *parts,
                                    .backends = *backends,
                                    .own = own,
                                    .limits = limits,
                                    .certs = certs,
                                    .revocations = Revocations(inputs),
                                    .tunnels = *tunnels,
                                    .log = inputs.log},
                      drain.token(), stop.token());
  }

  std::mt19937_64 generator;
  RulesSlot rules;
  MeshSlot mesh;
  OwnWorkload own;
  ConnectionLimits limits;
  HttpDate date;
  certs::CertCache certs;
  certs::Revocations revocations;  // looked at only where CRL_PATH is set
  hbone::Pool tunnels_pool;
  Telemetry telemetry;
  StopSource stop;
  StopSource drain;
  std::unique_ptr<MeshBackends> backends;
  std::unique_ptr<UpstreamPool> upstream;
  std::optional<ExchangeParts> parts;
  std::optional<Tunnels> tunnels;
  std::optional<Listeners> listeners;
  bool open = false;
  Scope ending;
  Event finished;

  Task<void> End() {
    co_await ending.Join();
    if (upstream) co_await upstream->Shutdown();
    co_await tunnels_pool.End();
  }
};

Result<std::unique_ptr<Worker>> Worker::Start(const WorkerInputs& inputs, unsigned index) {
  std::unique_ptr<Worker> worker(new Worker(inputs));
  AQ_TRY(worker->thread_, WorkerThread<State>::Start("aq-data-" + std::to_string(index),
                                                     [&inputs = worker->inputs_] {
                                                       return std::make_unique<State>(inputs);
                                                     }));
  return worker;
}

Worker::~Worker() = default;

void Worker::SetRules(RulesRef rules) {
  Post([this, rules = std::move(rules)](State& state) {
    state.rules.Replace(rules);
    if (!state.listeners) {
      state.Build(inputs_, rules->gateway.is_waypoint ? Edge::kWaypoint : Edge::kGateway);
    }
    if (state.open) std::ignore = state.listeners->Follow(rules->gateway);
  });
}

void Worker::SetMesh(mesh::SnapshotRef snapshot) {
  Post([this, snapshot = std::move(snapshot)](State& state) {
    state.mesh.snapshot = snapshot;
    // The model knows more of us than the settings do: locality, above all.
    const std::optional<Ip> ip = Ip::Parse(inputs_.config.instance_ip);
    const mesh::WorkloadRef own =
        ip ? snapshot->FindWorkloadAt({inputs_.config.network, *ip}) : nullptr;
    if (own != nullptr && own->identity() == state.own.identity) state.own.workload = *own;
  });
}

void Worker::SetCrls(certs::CrlSetRef crls) {
  Post([crls = std::move(crls)](State& state) { state.revocations.SetLists(crls); });
}

void Worker::Open(std::function<void(Status)> done) {
  Post([this, done = std::move(done)](State& state) {
    AQ_CHECK(state.listeners.has_value());
    state.open = true;
    const Status opened = state.listeners->Follow(state.rules.current()->gateway);
    inputs_.control.Post([done, opened] { done(opened); });
  });
}

void Worker::Shutdown(Clock::duration deadline, std::function<void()> done) {
  struct Draining {
    static Task<void> Run(Worker& worker, State& state, Clock::duration deadline,
                          std::function<void()> done) {
      state.drain.RequestStop(Reason::kDrained);
      if (state.listeners) {
        co_await WithGrace(state.listeners->Join(), deadline,
                           [&state] { state.stop.RequestStop(Reason::kDrained); });
      }
      state.finished.Set();
      worker.inputs_.control.Post(std::move(done));
    }
  };
  Post([this, deadline, done = std::move(done)](State& state) {
    state.ending.Spawn(Draining::Run(*this, state, deadline, done));
  });
}

}  // namespace aquifer::waypoint
