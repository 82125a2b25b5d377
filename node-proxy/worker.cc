#include "node-proxy/worker.h"

#include "core/rt/grace.h"
#include "node-proxy/session.h"

namespace aquifer::node {
namespace {

hbone::PoolOptions PoolOptionsOf(const Config& config) {
  hbone::PoolOptions options;
  options.idle_timeout = config.pool_idle;
  options.max_streams_per_connection = config.pool_max_streams;
  options.h2.settings.stream_window_bytes = config.stream_window_bytes;
  options.h2.settings.connection_window_bytes = config.connection_window_bytes;
  options.h2.settings.max_frame_bytes = config.frame_bytes;
  return options;
}

}  // namespace

struct Worker::State {
  explicit State(const WorkerInputs& inputs)
      : certs(inputs.store, inputs.control, &certs::SystemWallTime),
        pool(PoolOptionsOf(inputs.config)),
        generator(std::random_device()()),
        context{.config = inputs.config,
                .log = inputs.log,
                .tcp_metrics = inputs.tcp_metrics,
                .hbone_metrics = inputs.hbone_metrics,
                .certs = certs,
                .pool = pool,
                .inbound_connections = connections,
                .sessions = sessions,
                .classify = {.network = inputs.config.network,
                             .hbone_port = inputs.config.inbound_port},
                .inbound = {.network = inputs.config.network},
                .random = [this] { return generator(); },
                .snapshot = nullptr,
                .snapshot_changed = {}} {}

  certs::CertCache certs;
  hbone::Pool pool;
  InboundConnections connections;
  List<Session> sessions;
  std::mt19937_64 generator;
  WorkerContext context;
  std::map<std::string, std::unique_ptr<PodProxy>> pods;
  Scope ending;  // pods that are on their way out, and the shutdown
  Event finished;

  Task<void> End() {
    co_await ending.Join();
    co_await pool.End();
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

void Worker::SetSnapshot(mesh::SnapshotRef snapshot) {
  Post([snapshot = std::move(snapshot)](State& state) {
    const mesh::SnapshotRef before = std::exchange(state.context.snapshot, snapshot);
    state.context.snapshot_changed.Wake();
    if (before != nullptr && before->policy_generation() != snapshot->policy_generation())
      state.connections.Reconsider(*snapshot);
  });
}

void Worker::StartPod(redirect::Pod pod, std::function<void(Status)> done) {
  Post([this, pod = std::move(pod), done = std::move(done)](State& state) {
    const Config& config = inputs_.config;
    const redirect::PodSocketOptions options{
        .mark = config.packet_mark, .reuse_port = config.reuse_port, .ipv6 = config.ipv6};
    redirect::PodSockets sockets = pod.netns == nullptr
                                       ? redirect::PodSockets(options)
                                       : redirect::PodSockets(pod.netns, inputs_.home, options);
    auto proxy = std::make_unique<PodProxy>(state.context, pod, std::move(sockets));
    const Status started = proxy->Start();
    if (started.ok()) state.pods[pod.uid] = std::move(proxy);
    Reply([done, started] { done(started); });
  });
}

void Worker::StopPod(std::string uid, std::function<void()> done) {
  struct Stopping {
    static Task<void> Run(std::unique_ptr<PodProxy> proxy, hbone::Pool& pool) {
      proxy->Stop(Reason::kStopped);
      co_await proxy->Finish();
      pool.Forget(proxy->origin());
    }
  };
  Post([this, uid = std::move(uid), done = std::move(done)](State& state) {
    const auto found = state.pods.find(uid);
    if (found != state.pods.end()) {
      state.ending.Spawn(Stopping::Run(std::move(found->second), state.pool));
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
      for (auto& [uid, proxy] : state.pods) proxy->Drain();
      co_await WithGrace(Finish(state), deadline, [&state] {
        for (auto& [uid, proxy] : state.pods) proxy->Stop(Reason::kDrained);
      });
      state.pods.clear();
      state.finished.Set();
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
