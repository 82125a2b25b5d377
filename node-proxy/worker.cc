#include "node-proxy/worker.h"

#include <algorithm>

#include "core/rt/grace.h"
#include "node-proxy/egress.h"
#include "node-proxy/session.h"
#include "proxy/revocation_observer.h"

namespace aquifer::node {
namespace {

hbone::PoolOptions PoolOptionsOf(const Config& config, certs::Revocations* revocations) {
  hbone::PoolOptions options;
  options.revocations = revocations;
  options.idle_timeout = config.pool_idle;
  options.max_streams_per_connection = config.pool_max_streams;
  options.h2.settings.stream_window_bytes = config.stream_window_bytes;
  options.h2.settings.connection_window_bytes = config.connection_window_bytes;
  options.h2.settings.max_frame_bytes = config.frame_bytes;
  return options;
}

hbone::InnerOptions InnerOptionsOf(const Config& config, certs::Revocations* revocations) {
  hbone::InnerOptions options;
  options.h2 = PoolOptionsOf(config, revocations).h2;
  options.revocations = revocations;
  return options;
}

}  // namespace

struct Worker::State {
  State(const WorkerInputs& inputs, unsigned index)
      : certs(inputs.store, inputs.control, &certs::SystemWallTime),
        revocations(proxy::RevocationObserverOf(inputs.crl_metrics)),
        limits(inputs.budget, inputs.limit_metrics,
               inputs.config.buffer_bytes / std::max(1U, inputs.config.workers)),
        pool(PoolOptionsOf(inputs.config, Revocations(inputs))),
        egress(InnerOptionsOf(inputs.config, Revocations(inputs)), inputs.on_demand_dns),
        generator(std::random_device()()),
        context{.config = inputs.config,
                .log = inputs.log,
                .tcp_metrics = inputs.tcp_metrics,
                .hbone_metrics = inputs.hbone_metrics,
                .certs = certs,
                .pool = pool,
                .inbound_connections = connections,
                .limits = limits,
                .sessions = sessions,
                .demand = inputs.demand,
                .classify = {.network = inputs.config.network,
                             .hbone_port = inputs.config.inbound_port,
                             .illegal_ports = inputs.config.illegal_ports()},
                .inbound = {.network = inputs.config.network,
                            .illegal_ports = inputs.config.illegal_ports()},
                .random = [this] { return generator(); },
                .egress = egress,
                .snapshot = nullptr,
                .snapshot_changed = {},
                .revocations = Revocations(inputs),
                .index = index} {
    if (inputs.crl_metrics != nullptr) revocations.SetLists(inputs.crls);
    if (inputs.dns_metrics != nullptr)
      context.dns = &dns.emplace(inputs.config, *inputs.dns_metrics);
  }

  certs::Revocations* Revocations(const WorkerInputs& inputs) {
    return inputs.crl_metrics == nullptr ? nullptr : &revocations;
  }

  certs::CertCache certs;
  certs::Revocations revocations;  // looked at only where CRL_PATH is set
  WorkerLimits limits;
  hbone::Pool pool;
  Egress egress;
  InboundConnections connections;
  List<Session> sessions;
  std::mt19937_64 generator;
  WorkerContext context;
  std::optional<dns::WorkerDns> dns;
  std::map<std::string, std::unique_ptr<PodProxy>> pods;
  Scope ending;  // pods that are on their way out, and the shutdown
  Event finished;

  Task<void> End() {
    co_await ending.Join();
    co_await egress.End();
    co_await pool.End();
  }
};

Result<std::unique_ptr<Worker>> Worker::Start(const WorkerInputs& inputs, unsigned index) {
  std::unique_ptr<Worker> worker(new Worker(inputs));
  AQ_TRY(worker->thread_, WorkerThread<State>::Start("aq-data-" + std::to_string(index),
                                                     [&inputs = worker->inputs_, index] {
                                                       return std::make_unique<State>(inputs,
                                                                                      index);
                                                     }));
  return worker;
}

Worker::~Worker() {
  if (thread_ != nullptr) End();
}

void Worker::End() {
  Post([](State& state) { state.finished.Set(); });
}

void Worker::SetSnapshot(mesh::SnapshotRef snapshot) {
  Post([snapshot = std::move(snapshot)](State& state) {
    const mesh::SnapshotRef before = std::exchange(state.context.snapshot, snapshot);
    state.context.snapshot_changed.Wake();
    if (before != nullptr && before->policy_generation() != snapshot->policy_generation())
      state.connections.Reconsider(*snapshot);
  });
}

void Worker::SetCrls(certs::CrlSetRef crls) {
  Post([crls = std::move(crls)](State& state) { state.revocations.SetLists(crls); });
}

void Worker::StartPod(redirect::Pod pod, std::function<void(Status)> done, PodProxy::Role role) {
  Post([this, pod = std::move(pod), done = std::move(done), role](State& state) {
    const Config& config = inputs_.config;
    const redirect::PodSocketOptions options{
        .mark = config.packet_mark, .reuse_port = config.reuse_port, .ipv6 = config.ipv6};
    redirect::PodSockets sockets = pod.netns == nullptr
                                       ? redirect::PodSockets(options)
                                       : redirect::PodSockets(pod.netns, inputs_.home, options);
    auto proxy = std::make_unique<PodProxy>(state.context, pod, std::move(sockets), role);
    const Status started = proxy->Start();
    if (started.ok()) state.pods[pod.uid] = std::move(proxy);
    Reply([done, started] { done(started); });
  });
}

void Worker::StopPod(std::string uid, std::function<void()> done) {
  struct Stopping {
    static Task<void> Run(std::unique_ptr<PodProxy> proxy, hbone::Pool& pool,
                          Clock::duration grace) {
      proxy->Drain();
      co_await WithGrace(proxy->Finish(), grace, [&proxy] { proxy->Stop(Reason::kStopped); });
      co_await pool.Leave(proxy->origin());
    }
  };
  Post([this, uid = std::move(uid), done = std::move(done)](State& state) {
    const auto found = state.pods.find(uid);
    if (found != state.pods.end()) {
      state.ending.Spawn(
          Stopping::Run(std::move(found->second), state.pool, inputs_.config.drain_deadline));
      state.pods.erase(found);
    }
    Reply(done);
  });
}

void Worker::Shutdown(Clock::duration deadline, std::function<void()> done) {
  struct Draining {
    static Task<void> Finish(State& state) {
      Scope pods;
      for (auto& [uid, proxy] : state.pods) pods.Spawn(proxy->Finish());
      co_await pods.Join();
    }
    static Task<void> Run(Worker& worker, State& state, Clock::duration deadline,
                          std::function<void()> done) {
      for (auto& [uid, proxy] : state.pods) proxy->HandOver();
      co_await WithGrace(Finish(state), deadline, [&state] {
        for (auto& [uid, proxy] : state.pods) proxy->Stop(Reason::kDrained);
      });
      state.pods.clear();
      worker.Reply(std::move(done));
    }
  };
  Post([this, deadline, done = std::move(done)](State& state) {
    state.ending.Spawn(Draining::Run(*this, state, deadline, done));
  });
}

void Worker::ListConnections(std::function<void(std::vector<ConnectionView>)> done) {
  Post([this, done = std::move(done)](State& state) {
    std::vector<ConnectionView> views;
    state.sessions.ForEach([&views](const Session& session) {
      if (std::optional<ConnectionView> view = session.View()) views.push_back(*std::move(view));
    });
    Reply([done, views = std::move(views)] { done(views); });
  });
}

void Worker::CountConnections(std::function<void(std::map<std::string, std::size_t>)> done) {
  Post([this, done = std::move(done)](State& state) {
    std::map<std::string, std::size_t> counts;
    for (const auto& [uid, proxy] : state.pods) counts[uid] = proxy->connections();
    Reply([done, counts = std::move(counts)] { done(counts); });
  });
}

}  // namespace aquifer::node
