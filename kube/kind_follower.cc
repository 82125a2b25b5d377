#include "kube/kind_follower.h"

#include <algorithm>
#include <utility>

#include "core/rt/timer.h"
#include "kube/list_page.h"
#include "kube/object_path.h"

namespace aquifer::kube {
namespace {

constexpr JsonLimits kPageLimits{.bytes = 32 << 20, .values = 1'000'000, .depth = 64};
constexpr int kMaxPages = 100'000;
constexpr auto kPageTimeout = std::chrono::seconds(60);
constexpr auto kWatchGrace = std::chrono::seconds(30);
constexpr const char* kTooMany = "there are more objects than are kept";

ApiFailure Broken(std::string detail) {
  return {.error = Error{Reason::kBadRequest}, .detail = std::move(detail)};
}

// The server has too much to do; a new list would be more of it.
bool IsBusy(int status) { return status == kTooManyRequests || status == 503; }

}  // namespace

KindFollower::KindFollower(KindSpec spec, ApiClient& client, KindSink& sink, obs::Logger& log,
                           const FollowOptions& options, std::uint64_t seed)
    : spec_(std::move(spec)),
      client_(client),
      sink_(sink),
      log_(log),
      options_(options),
      random_(seed),
      page_objects_(options.page_objects) {}

Task<void> KindFollower::Run(StopToken stop) {
  while (!stop.requested()) {
    const Clock::duration pause = co_await Step(stop);
    if (pause > Clock::duration::zero()) std::ignore = co_await SleepFor(pause, stop);
  }
}

// One list or one watch; how long to wait before the next.
Task<Clock::duration> KindFollower::Step(StopToken stop) {
  if (position_.empty()) {
    const Outcome listed = co_await List(stop);
    if (!listed.ok()) co_return stop.requested() ? Clock::duration::zero() : Failed(listed.error());
    Works();
    co_return absent_ ? options_.absent_period : Clock::duration::zero();
  }
  const TimePoint start = Loop::Current().now();
  const Outcome watched = co_await Watch(stop);
  if (stop.requested()) co_return Clock::duration::zero();
  if (!watched.ok()) co_return Failed(watched.error());
  const Clock::duration lasted = Loop::Current().now() - start;
  co_return std::max(options_.shortest_watch - lasted, Clock::duration::zero());
}

std::string KindFollower::PathOf(std::string_view version) const {
  const std::string path = CollectionPath(ApiVersion(spec_.group, version), spec_.plural) + "?";
  return spec_.query.empty() ? path : path + spec_.query + "&";
}

Task<KindFollower::Outcome> KindFollower::List(StopToken stop) {
  for (const std::string& version : spec_.versions) {
    const Outcome listed = co_await ListVersion(version, stop);
    const bool not_served = !listed.ok() && listed.error().status == kNotFound;
    if (not_served) continue;
    if (listed.ok()) {
      absences_ = 0;
      absent_ = false;
    }
    co_return listed;
  }
  const bool doubtful = sink_.HasObjects() && ++absences_ < options_.absences;
  if (spec_.group.empty() || doubtful)
    co_return ApiFailure{.status = kNotFound, .detail = "the API server does not serve it"};
  if (!absent_) {
    sink_.BeginList();
    sink_.FinishList();
  }
  absent_ = true;
  co_return Outcome();
}

Task<KindFollower::Outcome> KindFollower::ListVersion(std::string_view version, StopToken stop) {
  sink_.BeginList();
  const std::string base = PathOf(version) + "limit=" + std::to_string(page_objects_);
  std::string path = base;
  for (int pages = 0; pages < kMaxPages; ++pages) {
    const Result<std::string, ApiFailure> next = co_await TakeListPage(path, stop);
    if (!next.ok()) {
      if (next.error().too_large) page_objects_ = std::max<size_t>(page_objects_ / 4, 1);
      co_return next.error();
    }
    if (next->empty()) {
      sink_.FinishList();
      version_ = version;
      position_ = next_position_;
      co_return Outcome();
    }
    path = base + "&continue=" + QueryValue(*next);
  }
  co_return Broken("the list has no end");
}

// The continue token of the next page.
Task<Result<std::string, ApiFailure>> KindFollower::TakeListPage(std::string path, StopToken stop) {
  ApiRequest request{.path = std::move(path)};
  AQ_CO_TRY(const std::string body,
            co_await client_.Call(std::move(request), kPageLimits.bytes, kPageTimeout, stop));
  const Decoded<ListPage> page = ReadListPage(body, kPageLimits);
  if (!page) {
    ApiFailure failure = Broken("the list cannot be read: " + page.error().ToString());
    failure.too_large = true;  // one of the limits, as like as not
    co_return failure;
  }
  for (const Json& item : page->items) {
    if (!sink_.AddListed(item)) co_return Broken(kTooMany);
  }
  next_position_ = page->resource_version;
  co_return page->next;
}

Task<KindFollower::Outcome> KindFollower::Watch(StopToken stop) {
  const std::int64_t least = options_.watch_time.count();
  const std::int64_t seconds =
      std::uniform_int_distribution<std::int64_t>(least, 2 * least)(random_);
  ApiRequest request{.path = PathOf(version_) + "watch=1&allowWatchBookmarks=true&timeoutSeconds=" +
                             std::to_string(seconds) + "&resourceVersion=" + QueryValue(position_)};
  TimedStop timed(stop, std::chrono::seconds(seconds) + kWatchGrace, Reason::kTimeout);
  AQ_CO_TRY(const std::unique_ptr<ApiStream> stream,
            co_await client_.Open(std::move(request), timed.token()));
  Works();
  WatchReader reader;
  while (true) {
    AQ_CO_TRY(const Chunk chunk, co_await stream->Read(timed.token()));
    if (chunk.empty()) {
      if (reader.between_events()) co_return Outcome();
      co_return Broken("the watch ended inside an event");
    }
    reader.Feed(chunk.text());
    AQ_CO_TRY_STATUS(TakeEvents(reader));
  }
}

KindFollower::Outcome KindFollower::TakeEvents(WatchReader& reader) {
  while (true) {
    const Decoded<std::optional<WatchEvent>> event = reader.Next();
    if (!event) {
      position_.clear();
      return Broken("the watch cannot be read: " + event.error().ToString());
    }
    if (!event->has_value()) return {};
    AQ_TRY_STATUS(TakeEvent(**event));
  }
}

KindFollower::Outcome KindFollower::TakeEvent(const WatchEvent& event) {
  switch (event.type) {
    case WatchEvent::Type::kError: {
      position_.clear();
      const int code = StatusCode(event.object);
      return ApiFailure{.status = code == 0 ? 500 : code, .detail = StatusMessage(event.object)};
    }
    case WatchEvent::Type::kAdded:
    case WatchEvent::Type::kModified:
      if (!sink_.Put(event.object)) {
        position_.clear();
        return Broken(kTooMany);
      }
      break;
    case WatchEvent::Type::kDeleted:
      sink_.Remove(event.object);
      break;
    case WatchEvent::Type::kBookmark:
      break;
  }
  std::string position = ResourceVersionOf(event.object);
  if (!position.empty()) position_ = std::move(position);
  return {};
}

Clock::duration KindFollower::Failed(const ApiFailure& failure) {
  if (failure.status != 0 && !IsBusy(failure.status)) position_.clear();
  // Too old a position is everyday life of a watch; the list that follows mends it.
  if (failure.status == kGone) return Backoff();
  std::string problem = "cannot be followed in all namespaces: " + failure.ToString();
  if (problem != problem_) {
    log_.Error(
        "kubernetes", "a kind cannot be followed",
        {{"kind", spec_.kind}, {"server", client_.address()}, {"error", failure.ToString()}});
  }
  problem_ = problem;
  sink_.SetProblem(std::move(problem));
  return Backoff();
}

Clock::duration KindFollower::Backoff() {
  const TimePoint now = Loop::Current().now();
  const bool long_ago = now - failed_at_ > 2 * options_.longest_backoff;
  const Clock::duration next = long_ago ? Clock::duration::zero() : backoff_ * 2;
  backoff_ = std::clamp(next, options_.first_backoff, options_.longest_backoff);
  failed_at_ = now;
  std::uniform_real_distribution<double> spread(0.5, 1.0);
  return std::chrono::duration_cast<Clock::duration>(backoff_ * spread(random_));
}

void KindFollower::Works() {
  if (!problem_.empty())
    log_.Info("kubernetes", "a kind is followed again", {{"kind", spec_.kind}});
  problem_.clear();
  sink_.SetProblem("");
}

}  // namespace aquifer::kube
