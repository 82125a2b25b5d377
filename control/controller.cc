#include "control/controller.h"

#include <chrono>
#include <utility>

#include "control/reconcile/reconcile.h"

namespace aquifer::control {
namespace {

// A directory can hold thousands of bad documents; the log names the first ones and the admin port
// all of them.
constexpr size_t kMaxLines = 50;

std::string_view TypeWord(ResourceType type) {
  const std::string_view url = TypeUrl(type);
  return url.substr(url.find('/') + 1);
}

}  // namespace

Controller::Controller(MeshSettings settings, obs::Logger& log, ControlMetrics& metrics)
    : settings_(std::move(settings)), log_(log), metrics_(metrics) {
  auto nothing = std::make_shared<Publication>();
  nothing->table = std::make_shared<const ResourceTable>();
  nothing->objects = std::make_shared<const ObjectSet>();
  current_ = std::move(nothing);
}

PublicationRef Controller::Take(Observation seen) {
  const auto start = std::chrono::steady_clock::now();
  Reconciled reconciled = Reconcile(seen.objects, settings_);
  auto next = std::make_shared<Publication>();
  next->table = ResourceTable::Build(std::move(reconciled.resources), *current_->table);
  next->statuses = std::move(reconciled.statuses);
  next->callers = CallersOf(seen.objects, settings_);
  next->kept = seen.kept;
  metrics_.reconcile_time.With({})->Observe(
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  ReportProblems(seen, reconciled.warnings);
  next->problems.assign(problems_.begin(), problems_.end());
  ReportSkipped(seen.skipped);
  ReportStatuses(next->statuses);
  Count(seen.objects, *next->table);
  next->objects = std::make_shared<const ObjectSet>(std::move(seen.objects));
  current_ = std::move(next);
  return current_;
}

void Controller::ReportProblems(const Observation& seen, const std::vector<std::string>& warnings) {
  std::set<std::string> problems(warnings.begin(), warnings.end());
  for (const ManifestRefusal& refusal : seen.refusals) problems.insert(refusal.ToString());
  size_t lines = 0;
  for (const std::string& problem : problems) {
    if (problems_.contains(problem)) continue;
    metrics_.problems_found.With({})->Add();
    if (++lines <= kMaxLines) log_.Error("manifests", problem);
  }
  if (lines > kMaxLines)
    log_.Error("manifests", "more problems, all of them are in /status",
               {{"left_out", lines - kMaxLines}});
  if (!problems_.empty() && problems.empty())
    log_.Info("manifests", "all manifests are read again");
  if (seen.closed > 0) {
    log_.Error("manifests",
               "policies that cannot be read deny everything, or are STRICT, at their targets",
               {{"policies", seen.closed}});
  }
  if (seen.kept > 0) {
    log_.Warn("manifests", "objects stay as they were until their files are read without errors",
              {{"objects", seen.kept}});
  }
  metrics_.problems.With({})->Set(static_cast<std::int64_t>(problems.size()));
  problems_ = std::move(problems);
}

void Controller::ReportSkipped(const std::set<std::string>& kinds) {
  for (const std::string& kind : kinds) {
    if (skipped_.size() < kMaxLines && skipped_.insert(kind).second) {
      metrics_.kinds_skipped.With({})->Add();
      log_.Warn("manifests", "objects of this kind are not used and were skipped",
                {{"kind", kind}});
    }
  }
}

void Controller::ReportStatuses(const StatusMap& statuses) {
  size_t lines = 0;
  for (const std::string& line : DescribeChanges(current_->statuses, statuses)) {
    if (++lines <= kMaxLines) log_.Info("status", line);
  }
  if (lines > kMaxLines)
    log_.Info("status", "more changes, all of them are in /status",
              {{"left_out", lines - kMaxLines}});
}

void Controller::Count(const ObjectSet& set, const ResourceTable& table) {
  metrics_.readings.With({})->Add();
  const auto objects = [&](Kind kind, size_t count) {
    metrics_.objects.With({{"kind", KindWord(kind)}})->Set(static_cast<std::int64_t>(count));
  };
  objects(Kind::kNamespace, set.namespaces.size());
  objects(Kind::kPod, set.pods.size());
  objects(Kind::kService, set.services.size());
  objects(Kind::kGateway, set.gateways.size());
  objects(Kind::kHttpRoute, set.http_routes.size());
  objects(Kind::kTcpRoute, set.tcp_routes.size());
  objects(Kind::kTlsRoute, set.tls_routes.size());
  objects(Kind::kUdpRoute, set.udp_routes.size());
  objects(Kind::kAuthorizationPolicy, set.authorization_policies.size());
  objects(Kind::kPeerAuthentication, set.peer_authentications.size());
  objects(Kind::kEndpointSlice, set.endpoint_slices.size());
  objects(Kind::kServiceEntry, set.service_entries.size());
  objects(Kind::kWorkloadEntry, set.workload_entries.size());
  for (size_t i = 0; i < kResourceTypeCount; ++i) {
    const auto type = static_cast<ResourceType>(i);
    metrics_.resources.With({{"type", TypeWord(type)}})
        ->Set(static_cast<std::int64_t>(table.Of(type).size()));
  }
  log_.Info("control", "objects taken in",
            {{"objects", set.size()},
             {"workloads_and_services", table.Of(ResourceType::kAddress).size()},
             {"version", table.serial()}});
}

}  // namespace aquifer::control
