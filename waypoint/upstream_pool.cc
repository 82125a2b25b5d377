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
  const std::string key = backend->key;
  const bool http2 = backend->http2;
  if (http2) {
    if (H2Ref shared = FindShared(key)) co_return UpstreamCallPtr(new H2Call(std::move(shared)));
  }
  H1ConnectionPtr connection = http2 ? nullptr : TakeIdle(key, request.may_repeat);
  if (connection == nullptr) {
    TimedStop timed(stop, options_.connect_timeout, Reason::kConnectTimeout);
    Result<io::StreamPtr> stream = co_await backends_.Dial(*std::move(backend), timed.token());
    if (!stream) co_return stream.error();
    if (stop_.requested()) co_return stop_.token().error();
    if (http2) co_return UpstreamCallPtr(new H2Call(Share(key, *std::move(stream))));
    connection = std::make_unique<H1Connection>(*std::move(stream));
  }
  co_return UpstreamCallPtr(new H1Call(
      std::move(connection), [this, key](H1ConnectionPtr back) { Keep(key, std::move(back)); }));
}

H1ConnectionPtr UpstreamPool::TakeIdle(const std::string& key, bool may_repeat) {
  const auto found = entries_.find(key);
  if (found == entries_.end() || found->second.idle.empty()) return nullptr;
  std::vector<H1ConnectionPtr>& idle = found->second.idle;
  const TimePoint now = Loop::Current().now();
  const Clock::duration age = now - idle.back()->idle_since;
  if (age > (may_repeat ? options_.idle_timeout : options_.trusted_idle)) return nullptr;
  H1ConnectionPtr connection = std::move(idle.back());
  idle.pop_back();
  --idle_count_;
  return connection;
}

void UpstreamPool::Keep(const std::string& key, H1ConnectionPtr connection) {
  if (stop_.requested() || idle_count_ >= options_.max_idle) return;
  Entry& entry = entries_[key];
  if (entry.idle.size() >= options_.max_idle_per_endpoint) return;
  entry.idle.push_back(std::move(connection));
  ++idle_count_;
  if (sweeping_) return;
  sweeping_ = true;
  tasks_.Spawn(Sweep());
}

UpstreamPool::H2Ref UpstreamPool::FindShared(const std::string& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  for (const H2Ref& connection : found->second.shared) {
    if (!connection->ended() && connection->available_streams() > 0) return connection;
  }
  return nullptr;
}

UpstreamPool::H2Ref UpstreamPool::Share(const std::string& key, io::StreamPtr stream) {
  auto connection = std::make_shared<http::H2Connection>(http::H2Role::kClient, std::move(stream),
                                                         http::H2Options());
  entries_[key].shared.push_back(connection);
  tasks_.Spawn(Drive(key, connection));
  return connection;
}

Task<void> UpstreamPool::Drive(std::string key, H2Ref connection) {
  (void)co_await connection->Run(stop_.token());
  const auto found = entries_.find(key);
  if (found == entries_.end()) co_return;
  std::erase(found->second.shared, connection);
  if (found->second.shared.empty() && found->second.idle.empty()) entries_.erase(found);
}

// While anything is idle; ends with the last idle connection.
Task<void> UpstreamPool::Sweep() {
  while (idle_count_ > 0 && !stop_.requested()) {
    const Status slept = co_await SleepFor(options_.idle_timeout / 4, stop_.token());
    if (!slept) break;
    const TimePoint now = Loop::Current().now();
    absl::erase_if(entries_, [&](auto& item) {
      Entry& entry = item.second;
      idle_count_ -= std::erase_if(entry.idle, [&](const H1ConnectionPtr& connection) {
        return now - connection->idle_since >= options_.idle_timeout;
      });
      return entry.idle.empty() && entry.shared.empty();
    });
  }
  sweeping_ = false;
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
