#include "waypoint/mirror.h"

#include <deque>
#include <utility>

#include "core/rt/event.h"
#include "core/rt/timer.h"

namespace aquifer::waypoint {
namespace {

constexpr std::size_t kMaxWaiting = 512 * 1024;       // of a body, until the backend takes it
constexpr std::size_t kMaxAnswer = 1024 * 1024;       // read so that its connection can be kept
constexpr auto kPatience = std::chrono::seconds(15);  // for the whole of a copy

}  // namespace

struct Mirrors::Copy {
  MirrorCopy what;
  http::BodyLength length;
  bool client_speaks_h2 = false;
  std::uint64_t random = 0;
  std::deque<Chunk> waiting;
  std::size_t waiting_bytes = 0;
  http::HeaderList trailers;
  bool ended = false;
  bool broken = false;
  Event changed;
};

Mirrors::~Mirrors() {
  for (const std::shared_ptr<Copy>& copy : copies_) {
    if (copy->ended) continue;
    copy->broken = true;
    copy->changed.Set();
  }
}

void Mirrors::Start(Upstream& upstream, std::vector<MirrorCopy> copies, http::BodyLength body,
                    bool client_speaks_h2) {
  for (MirrorCopy& what : copies) {
    auto copy = std::make_shared<Copy>();
    copy->what = std::move(what);
    copy->what.head.headers.Remove("expect");
    copy->length = body;
    copy->client_speaks_h2 = client_speaks_h2;
    copy->ended = body.kind == http::BodyKind::kNone;
    const bool started =
        upstream.Detach([&copy, &upstream](StopToken stop) { return Send(copy, upstream, stop); });
    if (started) copies_.push_back(std::move(copy));
  }
}

void Mirrors::Body(const Chunk& chunk) {
  for (const std::shared_ptr<Copy>& copy : copies_) {
    if (copy->broken) continue;
    copy->waiting_bytes += chunk.size();
    if (copy->waiting_bytes > kMaxWaiting) {
      copy->broken = true;
      copy->waiting.clear();
    } else {
      copy->waiting.push_back(chunk);
    }
    copy->changed.Set();
  }
}

void Mirrors::End(const http::HeaderList& trailers) {
  for (const std::shared_ptr<Copy>& copy : copies_) {
    copy->trailers = trailers;
    copy->ended = true;
    copy->changed.Set();
  }
}

Task<void> Mirrors::Send(std::shared_ptr<Copy> copy, Upstream& upstream, StopToken stop) {
  TimedStop patience(stop, kPatience, Reason::kTimeout);
  UpstreamRequest request;
  request.destination.service = copy->what.service;
  request.client_speaks_h2 = copy->client_speaks_h2;
  request.may_repeat = false;
  Endpoint endpoint;
  Result<UpstreamCallPtr> call =
      co_await upstream.Open(std::move(request), endpoint, patience.token());
  if (!call) co_return;
  const Status sent = co_await SendAll(*copy, **call, patience.token());
  if (!sent) co_return;
  const Result<http::ResponseHead> head = co_await (*call)->ReadHead(patience.token());
  if (!head) co_return;
  for (std::size_t dropped = 0; dropped <= kMaxAnswer;) {
    const Result<Chunk> got = co_await (*call)->ReadBody(patience.token());
    if (!got || got->empty()) co_return;
    dropped += got->size();
  }
}

Task<Status> Mirrors::SendAll(Copy& copy, UpstreamCall& call, StopToken stop) {
  http::RequestHead head = std::move(copy.what.head);
  Status sent = co_await call.SendHead(std::move(head), copy.length, false, stop);
  if (!sent || copy.length.kind == http::BodyKind::kNone) co_return sent;
  while (!copy.broken) {
    if (!copy.waiting.empty()) {
      Chunk chunk = std::move(copy.waiting.front());
      copy.waiting.pop_front();
      const std::size_t size = chunk.size();
      sent = co_await call.WriteBody(std::move(chunk), stop);
      copy.waiting_bytes -= size;
      if (!sent) co_return sent;
    } else if (copy.ended) {
      http::HeaderList trailers = copy.trailers;
      co_return co_await call.EndBody(std::move(trailers), stop);
    } else {
      copy.changed.Reset();
      sent = co_await copy.changed.Wait(stop);
      if (!sent) co_return sent;
    }
  }
  co_return Error{Reason::kStopped};
}

}  // namespace aquifer::waypoint
