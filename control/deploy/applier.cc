#include "control/deploy/applier.h"

#include <algorithm>
#include <utility>

#include "control/deploy/drift.h"
#include "control/deploy/settings.h"
#include "control/kube/client.h"

namespace aquifer::control {
namespace {

constexpr int kPageObjects = 250;
constexpr int kMaxPages = 1000;
constexpr int kInvalid = 422;

std::string Selector(const DeployedRow& row) {
  if (row.kind == DeployedKind::kConfigMap)
    return std::string(kManagedByLabel) + "=" + std::string(kManagedBy);
  return std::string(kManagedLabel) + "=" + std::string(kManaged);
}

std::string TextOf(const Json& metadata, std::string_view key) {
  if (!metadata.is_object()) return "";
  const auto found = metadata.find(key);
  return found != metadata.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string_view HashOf(const Json& object) {
  return MetadataText(object, "annotations", kAppliedAnnotation);
}

// Of an object that was there it names the uid: one that has come in its place must not become
// ours, and the API server refuses the other uid.
Json BodyFor(const WantedObject& wanted, const Json* live) {
  Json body = wanted.body;
  if (live == nullptr) return body;
  const auto metadata = live->find("metadata");
  std::string uid = metadata == live->end() ? "" : TextOf(*metadata, "uid");
  if (!uid.empty()) body["metadata"]["uid"] = std::move(uid);
  return body;
}

// What an apply brings about: whether only others have changed it.
std::string_view DeedOn(const Json& live, const WantedObject& wanted) {
  return HashOf(live) == HashOf(wanted.body) ? "repaired" : "changed";
}

}  // namespace

void Applier::Forget() {
  objects_.clear();
  attempts_.clear();
}

bool Applier::IsForeign(const DeployedKey& key) const {
  const auto found = attempts_.find(key);
  return found != attempts_.end() && found->second.foreign &&
         Loop::Current().now() < found->second.not_before;
}

std::string Applier::ProblemOf(const DeployedKey& key) const {
  const auto found = attempts_.find(key);
  return found == attempts_.end() ? "" : found->second.problem;
}

Task<Result<void, WriteFailure>> Applier::Refresh(StopToken stop) {
  for (const DeployedRow& row : DeployedRows()) {
    const bool root = row.kind == DeployedKind::kConfigMap;
    if (!(root ? options_.roots : options_.gateways)) continue;
    AQ_CO_TRY_STATUS(co_await List(row, stop));
  }
  away_ = false;
  // Of what has gone and is not asked for any more nothing needs to be remembered.
  const TimePoint old = Loop::Current().now() - 2 * options_.longest_backoff;
  std::erase_if(attempts_, [&](const auto& attempt) {
    return attempt.second.not_before < old && !objects_.contains(attempt.first);
  });
  co_return Result<void, WriteFailure>();
}

Task<Result<void, WriteFailure>> Applier::List(const DeployedRow& row, StopToken stop) {
  const std::string base = CollectionPath(row.api_version, row.plural) +
                           "?limit=" + std::to_string(kPageObjects) +
                           "&labelSelector=" + QueryValue(Selector(row));
  std::map<DeployedKey, Json> listed;
  std::string path = base;
  for (int pages = 0; pages < kMaxPages; ++pages) {
    AQ_CO_TRY(Json list, co_await writer_.Read(path, stop));
    Decoded<ListPage> page = ListPageOf(std::move(list));
    if (!page.ok()) {
      co_return WriteFailure{
          0, "the list of " + std::string(row.plural) + " is none: " + page.error().ToString()};
    }
    for (Json& item : page->items) {
      const auto metadata = item.find("metadata");
      if (metadata == item.end()) continue;
      // Lists leave out what is the same of all items.
      item["apiVersion"] = row.api_version;
      item["kind"] = row.word;
      DeployedKey key{row.kind, TextOf(*metadata, "namespace"), TextOf(*metadata, "name")};
      listed.insert_or_assign(std::move(key), std::move(item));
    }
    if (listed.size() > kMaxObjects)
      co_return WriteFailure{0, "there are too many " + std::string(row.plural) + " of ours"};
    if (page->next.empty() || page->items.empty()) break;
    path = base + "&continue=" + QueryValue(page->next);
  }
  std::erase_if(objects_, [&](const auto& object) { return object.first.kind == row.kind; });
  objects_.merge(listed);
  co_return Result<void, WriteFailure>();
}

// What the API server writes in its own way (1000m is 1) is no change: its answer to our apply is
// what later states are compared with.
bool Applier::IsAsWanted(const WantedObject& wanted, const Json& live) const {
  if (HashOf(live) != HashOf(wanted.body)) return false;
  const Json seen = ProjectOnto(wanted.body, live);
  if (seen == wanted.body) return true;
  const auto found = attempts_.find(wanted.key);
  return found != attempts_.end() && found->second.settled &&
         found->second.hash == HashOf(wanted.body) && *found->second.settled == seen;
}

// The same has failed just now.
bool Applier::Waits(const WantedObject& wanted) const {
  const auto found = attempts_.find(wanted.key);
  return found != attempts_.end() && !found->second.problem.empty() &&
         found->second.hash == HashOf(wanted.body) &&
         Loop::Current().now() < found->second.not_before;
}

Applier::Outcome Applier::Fail(const WantedObject& wanted, const WriteFailure& failure) {
  away_ = failure.status == 0;
  Count(wanted.key, away_ ? "unanswered" : "refused");
  Attempt& attempt = attempts_[wanted.key];
  // What failed was another wish.
  if (attempt.hash != HashOf(wanted.body)) attempt.backoff = {};
  attempt.hash = HashOf(wanted.body);
  attempt.settled.reset();
  attempt.foreign = false;
  attempt.backoff =
      std::clamp(attempt.backoff * 2, options_.first_backoff, options_.longest_backoff);
  attempt.not_before = Loop::Current().now() + attempt.backoff;
  if (attempt.problem != failure.why) {
    log_.Error("deploy", "cannot be applied",
               {{"object", wanted.key.ToString()}, {"error", failure.why}});
  }
  attempt.problem = failure.why;
  return Outcome::kFailed;
}

Applier::Outcome Applier::SetForeign(const WantedObject& wanted) {
  Attempt& attempt = attempts_[wanted.key];
  if (!attempt.foreign) {
    Count(wanted.key, "foreign");
    log_.Warn("deploy", "an object of that name is somebody else's and stays as it is",
              {{"object", wanted.key.ToString()}});
  }
  attempt = {};
  attempt.foreign = true;
  attempt.not_before = Loop::Current().now() + options_.foreign_period;
  return Outcome::kForeign;
}

Task<Applier::Outcome> Applier::Look(const WantedObject& wanted, StopToken stop) {
  const auto live = objects_.find(wanted.key);
  if (live != objects_.end() && !attempts_[wanted.key].doubtful) {
    if (!HasMarks(live->second, wanted.marks)) co_return SetForeign(wanted);
    attempts_[wanted.key].foreign = false;
    co_return Outcome::kThere;
  }
  if (IsForeign(wanted.key)) co_return Outcome::kForeign;
  if (Waits(wanted)) co_return Outcome::kFailed;
  std::string path = wanted.key.Path();
  Result<Json, WriteFailure> object = co_await writer_.Read(std::move(path), stop);
  if (!object.ok() && object.error().status != kNotFound) co_return Fail(wanted, object.error());
  attempts_[wanted.key].doubtful = false;
  const bool foreign = object.ok() && !HasMarks(*object, wanted.marks);
  if (!object.ok() || foreign) objects_.erase(wanted.key);
  if (foreign) co_return SetForeign(wanted);
  if (object.ok()) objects_.insert_or_assign(wanted.key, *std::move(object));
  attempts_[wanted.key].foreign = false;
  co_return Outcome::kThere;
}

void Applier::Count(const DeployedKey& key, std::string_view outcome) const {
  if (metrics_ == nullptr) return;
  metrics_->deployments.With({{"kind", RowOf(key.kind).word}, {"outcome", outcome}})->Add();
}

Task<Applier::Outcome> Applier::Bring(const WantedObject& wanted, StopToken stop) {
  const Outcome found = co_await Look(wanted, stop);
  if (found != Outcome::kThere) co_return found;
  const auto live = objects_.find(wanted.key);
  const bool is_new = live == objects_.end();
  if (!is_new && IsAsWanted(wanted, live->second)) {
    attempts_[wanted.key].problem.clear();
    attempts_[wanted.key].backoff = {};
    co_return Outcome::kThere;
  }
  if (Waits(wanted)) co_return Outcome::kFailed;
  ++writes_;
  std::string path = wanted.key.Path();
  std::string body = WriteJson(BodyFor(wanted, is_new ? nullptr : &live->second));
  // Of an object that somebody makes just now nothing is taken over.
  const std::string_view deed = is_new ? "made" : DeedOn(live->second, wanted);
  const auto force = is_new ? ObjectWriter::Force::kNo : ObjectWriter::Force::kYes;
  Result<Json, WriteFailure> applied =
      co_await writer_.Apply(std::move(path), std::move(body), force, stop);
  if (!applied.ok()) {
    const int status = applied.error().status;
    if (is_new && status == kConflict) co_return SetForeign(wanted);
    // Perhaps it is another object by now; the next look says whose. Until then it counts as ours:
    // a deployment must not change its name because something in it is refused.
    if (status == kConflict || status == kInvalid) attempts_[wanted.key].doubtful = true;
    co_return Fail(wanted, applied.error());
  }
  Count(wanted.key, deed);
  log_.Info("deploy", deed, {{"object", wanted.key.ToString()}});
  Attempt attempt;
  attempt.hash = HashOf(wanted.body);
  attempt.settled = ProjectOnto(wanted.body, *applied);
  attempts_.insert_or_assign(wanted.key, std::move(attempt));
  objects_.insert_or_assign(wanted.key, *std::move(applied));
  co_return Outcome::kThere;
}

Task<void> Applier::Remove(DeployedKey key, StopToken stop) {
  const auto live = objects_.find(key);
  if (live == objects_.end()) co_return;
  const auto metadata = live->second.find("metadata");
  std::string uid = metadata == live->second.end() ? "" : TextOf(*metadata, "uid");
  std::string path = key.Path();
  const Result<void, WriteFailure> removed =
      co_await writer_.Delete(std::move(path), std::move(uid), stop);
  const bool gone = removed.ok() || removed.error().status == kNotFound;
  if (!gone) {
    Count(key, "refused");
    log_.Error("deploy", "cannot be deleted",
               {{"object", key.ToString()}, {"error", removed.error().why}});
  } else {
    Count(key, "deleted");
    log_.Info("deploy", "deleted", {{"object", key.ToString()}});
  }
  // Either it is gone, or the next list says what it is now.
  objects_.erase(key);
}

}  // namespace aquifer::control
