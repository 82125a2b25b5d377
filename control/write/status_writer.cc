#include "control/write/status_writer.h"

#include <algorithm>
#include <set>
#include <utility>

#include "control/kube/values.h"
#include "control/names.h"
#include "control/reconcile/gateway_class.h"
#include "control/write/status_patch.h"
#include "core/base/check.h"
#include "core/rt/timer.h"

namespace aquifer::control {
namespace {

constexpr size_t kMaxInFlight = 16;
constexpr auto kTimeout = std::chrono::seconds(10);
constexpr JsonLimits kLimits{.bytes = 4 << 20, .values = 200'000, .depth = 64};

constexpr int kServerError = 500;

const DecoderRow& RowOf(Kind kind) {
  const auto rows = Decoders();
  const auto found = std::find_if(rows.begin(), rows.end(),
                                  [&](const DecoderRow& row) { return row.object_kind == kind; });
  AQ_CHECK(found != rows.end());
  return *found;
}

// Of all objects of the kind in the namespace of `key`.
std::string PathBeside(const DecoderRow& row, std::string_view version, const ObjectKey& key) {
  const bool spaced = row.scope == ObjectScope::kNamespaced;
  return CollectionPath(ApiVersion(row.group, version), row.plural,
                        spaced ? key.namespace_name : "");
}

std::string PathOf(const DecoderRow& row, std::string_view version, const ObjectKey& key) {
  return PathBeside(row, version, key) + "/" + key.name;
}

ApiRequest PatchRequest(std::string path, StatusPatch patch) {
  ApiRequest request;
  request.method = "PATCH";
  request.path = std::move(path) + "/status?fieldManager=" + std::string(kFieldManager) +
                 (patch.apply ? "&force=true" : "");
  request.content_type = patch.content_type();
  request.body = std::move(patch.body);
  return request;
}

}  // namespace

StatusWriter::StatusWriter(ApiClient& client, MeshSettings settings,
                           const WriteQueueOptions& options, certs::WallClock clock,
                           obs::Logger& log, ControlMetrics& metrics, std::uint64_t seed)
    : client_(client),
      settings_(std::move(settings)),
      options_(options),
      clock_(std::move(clock)),
      log_(log),
      metrics_(metrics),
      random_(seed) {}

void StatusWriter::Take(PublicationRef publication) {
  publication_ = std::move(publication);
  Feed();
}

void StatusWriter::Feed() {
  if (!queue_ || publication_ == nullptr) return;
  std::set<ObjectKey> missing;
  for (const std::string& name : GatewayClasses(*publication_->objects, settings_).Missing())
    missing.insert({Kind::kGatewayClass, "", name});
  queue_->Follow(publication_->statuses, missing, Loop::Current().now());
  news_.Set();
}

Task<void> StatusWriter::Lead(StopToken stop) {
  // What another leader has written meanwhile is not known: everything is looked at.
  queue_.emplace(options_, random_());
  Feed();
  Scope writes;
  while (!stop.requested()) {
    StartDue(writes, stop);
    co_await AwaitWork(stop);
  }
  co_await writes.Join();
  queue_.reset();
}

void StatusWriter::StartDue(Scope& writes, StopToken stop) {
  const TimePoint now = Loop::Current().now();
  while (queue_->in_flight() < kMaxInFlight) {
    std::optional<WriteQueue::Job> job = queue_->Next(now);
    if (!job) return;
    writes.Spawn(Write(*std::move(job), stop));
  }
}

Task<void> StatusWriter::AwaitWork(StopToken stop) {
  const bool full = queue_->in_flight() >= kMaxInFlight;
  const std::optional<TimePoint> due = full ? std::nullopt : queue_->next_due();
  if (due) {
    const Clock::duration left = *due - Loop::Current().now();
    TimedStop timed(stop, std::max(left, Clock::duration::zero()), Reason::kTimeout);
    std::ignore = co_await news_.Wait(timed.token());
  } else {
    std::ignore = co_await news_.Wait(stop);
  }
  news_.Reset();
}

Task<void> StatusWriter::Write(WriteQueue::Job job, StopToken stop) {
  Outcome outcome = Outcome::kHolds;
  if (job.status) {
    outcome = co_await Update(job.key, *job.status, stop);
  } else {
    outcome = co_await Create(job.key, stop);
  }
  queue_->Done(job.key, outcome, Loop::Current().now());
  news_.Set();
}

Task<StatusWriter::Outcome> StatusWriter::Update(const ObjectKey& key, const ObjectStatus& status,
                                                 StopToken stop) {
  const DecoderRow& row = RowOf(key.kind);
  const Result<Found, ApiFailure> found = co_await Read(row, key, stop);
  if (!found.ok()) co_return Failed(key, found.error(), stop);
  const PatchContext context{.api_version = ApiVersion(row.group, found->version),
                             .now = FormatTimestamp(clock_().time_since_epoch().count()),
                             .with_features = with_features_};
  Decoded<std::optional<StatusPatch>> patch = PatchFor(key, status, found->object, context);
  if (!patch.ok()) {
    const ApiFailure unreadable{.error = Error{Reason::kBadRequest},
                                .detail = patch.error().ToString()};
    co_return Failed(key, unreadable, stop);
  }
  if (!patch->has_value()) co_return Counted(key, Outcome::kHolds, "same");
  ApiRequest request = PatchRequest(PathOf(row, found->version, key), **std::move(patch));
  const Result<std::string, ApiFailure> answer =
      co_await client_.Call(std::move(request), kLimits.bytes, kTimeout, stop);
  if (answer.ok()) co_return Counted(key, Outcome::kHolds, "written");
  // Old definitions of GatewayClass do not have them, and then take nothing at all.
  const bool unknown = answer.error().detail.find("supportedFeatures") != std::string::npos;
  if (key.kind == Kind::kGatewayClass && unknown && std::exchange(with_features_, false))
    co_return Counted(key, Outcome::kFailed, "failed");
  co_return Failed(key, answer.error(), stop);
}

Task<StatusWriter::Outcome> StatusWriter::Create(const ObjectKey& key, StopToken stop) {
  const DecoderRow& row = RowOf(key.kind);
  for (const std::string_view version : VersionsOf(row)) {
    ApiRequest request;
    request.method = "POST";
    request.path = PathBeside(row, version, key) + "?fieldManager=" + std::string(kFieldManager);
    request.content_type = "application/json";
    request.body = GatewayClassBody(key.name, version);
    const Result<std::string, ApiFailure> answer =
        co_await client_.Call(std::move(request), kLimits.bytes, kTimeout, stop);
    if (answer.ok()) co_return Counted(key, Outcome::kHolds, "created");
    if (answer.error().status == kConflict) co_return Counted(key, Outcome::kHolds, "same");
    if (answer.error().status != kNotFound) co_return Failed(key, answer.error(), stop);
  }
  // Without the Gateway API nothing is missing; it may come.
  co_return Counted(key, Outcome::kRefused, "gone");
}

Task<Result<StatusWriter::Found, ApiFailure>> StatusWriter::Read(const DecoderRow& row,
                                                                 const ObjectKey& key,
                                                                 StopToken stop) {
  for (const std::string_view version : VersionsOf(row)) {
    ApiRequest request;
    request.path = PathOf(row, version, key);
    const Result<std::string, ApiFailure> body =
        co_await client_.Call(std::move(request), kLimits.bytes, kTimeout, stop);
    if (!body.ok() && body.error().status == kNotFound) continue;
    if (!body.ok()) co_return body.error();
    Decoded<Json> object = ReadJson(*body, kLimits);
    if (!object.ok()) {
      co_return ApiFailure{.error = Error{Reason::kBadRequest},
                           .detail = object.error().ToString()};
    }
    versions_.insert_or_assign(row.object_kind, version);
    co_return Found{*std::move(object), version};
  }
  co_return ApiFailure{.status = kNotFound};
}

// The one that was served last is asked for first.
std::vector<std::string_view> StatusWriter::VersionsOf(const DecoderRow& row) const {
  std::vector<std::string_view> versions(row.versions);
  const auto known = versions_.find(row.object_kind);
  if (known == versions_.end()) return versions;
  const auto found = std::find(versions.begin(), versions.end(), known->second);
  std::rotate(versions.begin(), found, found + 1);
  return versions;
}

StatusWriter::Outcome StatusWriter::Counted(const ObjectKey& key, Outcome outcome,
                                            std::string_view word) {
  metrics_.writes.With({{"kind", KindWord(key.kind)}, {"outcome", word}})->Add();
  return outcome;
}

StatusWriter::Outcome StatusWriter::Failed(const ObjectKey& key, const ApiFailure& failure,
                                           StopToken stop) {
  if (stop.requested()) return Outcome::kFailed;  // the term is over
  if (failure.status == kNotFound) return Counted(key, Outcome::kGone, "gone");
  // Somebody else was faster; it is read again.
  if (failure.status == kConflict) return Counted(key, Outcome::kFailed, "conflict");
  log_.Limited(limiter_, obs::Level::kWarn, "status", "cannot be written",
               {{"object", key.ToString()}, {"error", failure.ToString()}});
  const bool may_pass =
      failure.status == 0 || failure.status == kTooManyRequests || failure.status >= kServerError;
  return may_pass ? Counted(key, Outcome::kFailed, "failed")
                  : Counted(key, Outcome::kRefused, "refused");
}

}  // namespace aquifer::control
