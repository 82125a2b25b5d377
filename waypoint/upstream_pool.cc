#include "waypoint/upstream_pool.h"

#include <algorithm>

namespace aquifer::waypoint {

UpstreamPool::UpstreamPool(Backends& backends, const UpstreamPoolOptions& options)
    : backends_(backends), options_(options) {}

UpstreamPool::~UpstreamPool() = default;

Task<Result<UpstreamCallPtr>> UpstreamPool::Open(UpstreamRequest request, Endpoint& chosen,
                                                 StopToken stop) {
  Result<ChosenBackend> backend = backends_.Choose(request);
  if (!backend) co_return backend.error();
  chosen = backend->endpoint;
  if (backend->http2) {
    Result<H2Ref> shared = co_await TakeShared(*std::move(backend), stop);
    if (!shared) co_return shared.error();
    co_return UpstreamCallPtr(new H2Call(*std::move(shared)));
  }
  const std::string key = backend->key;
  H1ConnectionPtr connection;
  if (!request.fresh) connection = co_await TakeIdle(key, request.may_repeat);
  if (connection == nullptr) {
    Result<io::StreamPtr> stream = co_await Dial(*std::move(backend), stop);
    if (!stream) co_return stream.error();
    connection = std::make_unique<H1Connection>(*std::move(stream));
  }
  co_return UpstreamCallPtr(new H1Call(
      std::move(connection), [this, key](H1ConnectionPtr back) { Keep(key, std::move(back)); },
      [this, key] { DropIdle(key); }));
}

Task<Result<io::StreamPtr>> UpstreamPool::Dial(ChosenBackend backend, StopToken stop) {
  TimedStop timed(stop, options_.connect_timeout, Reason::kConnectTimeout);
  Result<io::StreamPtr> stream = co_await backends_.Dial(std::move(backend), timed.token());
  if (stream && stop_.requested()) co_return stop_.token().error();
  co_return stream;
}

Task<H1ConnectionPtr> UpstreamPool::TakeIdle(const std::string& key, bool may_repeat) {
  while (IdleRef idle = PopIdle(key, may_repeat)) {
    idle->stop.RequestStop();
    (void)co_await idle->ended.Wait(StopToken());
    if (idle->good) co_return std::move(idle->connection);
  }
  co_return nullptr;
}

UpstreamPool::IdleRef UpstreamPool::PopIdle(const std::string& key, bool may_repeat) {
  const auto found = entries_.find(key);
  if (found == entries_.end() || found->second.idle.empty()) return nullptr;
  std::vector<IdleRef>& idle = found->second.idle;
  const Clock::duration age = Loop::Current().now() - idle.back()->connection->idle_since;
  if (age > (may_repeat ? options_.idle_timeout : options_.trusted_idle)) return nullptr;
  IdleRef popped = std::move(idle.back());
  idle.pop_back();
  --idle_count_;
  return popped;
}

void UpstreamPool::Keep(const std::string& key, H1ConnectionPtr connection) {
  if (stop_.requested() || idle_count_ >= options_.max_idle) return;
  Entry& entry = entries_[key];
  if (entry.idle.size() >= options_.max_idle_per_endpoint) return;
  auto idle = std::make_shared<Idle>(std::move(connection), stop_.token());
  entry.idle.push_back(idle);
  ++idle_count_;
  tasks_.Spawn(WatchIdle(key, std::move(idle)));
  StartSweep();
}

// What ended one kept connection, a backend that was replaced above all, has ended its like too,
// and the news of the others may only be on its way.
void UpstreamPool::DropIdle(const std::string& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  for (const IdleRef& idle : found->second.idle) idle->stop.RequestStop();
  idle_count_ -= found->second.idle.size();
  found->second.idle.clear();
}

// Until it is taken or grows too old. A byte that comes belongs to nobody's request and spoils the
// connection like an end.
Task<void> UpstreamPool::WatchIdle(std::string key, IdleRef idle) {
  const Result<Chunk> got = co_await idle->connection->stream->Read(idle->stop.token());
  // A reset may come in the moment of the stop.
  idle->good = !got && idle->stop.requested() && got.error().reason == idle->stop.reason();
  idle->ended.Set();
  const auto found = entries_.find(key);
  if (idle->good || found == entries_.end()) co_return;
  idle_count_ -= std::erase(found->second.idle, idle);
}

// Whoever takes a connection opens his stream on it before anybody else runs.
Task<Result<UpstreamPool::H2Ref>> UpstreamPool::TakeShared(ChosenBackend backend, StopToken stop) {
  while (true) {
    if (H2Ref shared = FindShared(backend.key)) co_return shared;
    const DialingRef dialing = entries_[backend.key].dialing;
    if (dialing == nullptr) co_return co_await DialShared(std::move(backend), stop);
    const Status waited = co_await dialing->done.Wait(stop);
    if (!waited) co_return waited.error();
    if (!dialing->failed) co_return dialing->failed.error();
  }
}

Task<Result<UpstreamPool::H2Ref>> UpstreamPool::DialShared(ChosenBackend backend, StopToken stop) {
  const std::string key = backend.key;
  const auto dialing = std::make_shared<Dialing>();
  entries_[key].dialing = dialing;
  StartSweep();
  Result<io::StreamPtr> stream = co_await Dial(std::move(backend), stop);
  entries_[key].dialing = nullptr;
  dialing->done.Set();
  if (stream) co_return Share(key, *std::move(stream));
  if (!stop.requested()) dialing->failed = stream.error();
  co_return stream.error();
}

UpstreamPool::H2Ref UpstreamPool::FindShared(const std::string& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  for (Shared& shared : found->second.shared) {
    if (shared.connection->ended() || shared.connection->available_streams() == 0) continue;
    shared.used = Loop::Current().now();
    return shared.connection;
  }
  return nullptr;
}

UpstreamPool::H2Ref UpstreamPool::Share(const std::string& key, io::StreamPtr stream) {
  auto connection = std::make_shared<http::H2Connection>(http::H2Role::kClient, std::move(stream),
                                                         http::H2Options());
  entries_[key].shared.push_back({connection, Loop::Current().now()});
  tasks_.Spawn(Drive(key, connection));
  return connection;
}

Task<void> UpstreamPool::Drive(std::string key, H2Ref connection) {
  (void)co_await connection->Run(stop_.token());
  const auto found = entries_.find(key);
  if (found == entries_.end()) co_return;
  std::erase_if(found->second.shared,
                [&](const Shared& shared) { return shared.connection == connection; });
}

void UpstreamPool::StartSweep() {
  if (sweeping_) return;
  sweeping_ = true;
  tasks_.Spawn(Sweep());
}

// While anything is kept or dialled.
Task<void> UpstreamPool::Sweep() {
  while (!entries_.empty() && !stop_.requested()) {
    const Status slept = co_await SleepFor(options_.idle_timeout / 4, stop_.token());
    if (!slept) break;
    const TimePoint now = Loop::Current().now();
    absl::erase_if(entries_, [&](auto& item) {
      SweepEntry(item.second, now);
      return item.second.empty();
    });
  }
  sweeping_ = false;
}

void UpstreamPool::SweepEntry(Entry& entry, TimePoint now) {
  idle_count_ -= std::erase_if(entry.idle, [&](const IdleRef& idle) {
    const bool old = now - idle->connection->idle_since >= options_.idle_timeout;
    if (old) idle->stop.RequestStop();
    return old;
  });
  std::erase_if(entry.shared, [&](Shared& shared) {
    if (shared.connection->open_streams() > 0) shared.used = now;
    const bool old = now - shared.used >= options_.idle_timeout;
    if (old) shared.connection->Drain();
    return old;
  });
}

bool UpstreamPool::Detach(const std::function<Task<void>(StopToken stop)>& start) {
  if (stop_.requested() || detached_ >= options_.max_detached) return false;
  ++detached_;
  tasks_.Spawn(RunDetached(start(stop_.token())));
  return true;
}

Task<void> UpstreamPool::RunDetached(Task<void> task) {
  co_await std::move(task);
  --detached_;
}

Task<void> UpstreamPool::Shutdown() {
  stop_.RequestStop(Reason::kStopped);
  co_await tasks_.Join();
  entries_.clear();
  idle_count_ = 0;
}

}  // namespace aquifer::waypoint
