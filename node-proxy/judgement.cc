#include "node-proxy/judgement.h"

#include "core/rt/timer.h"

namespace aquifer::node {
namespace {

constexpr std::string_view kScope = "rbac";

void Log(WorkerContext& context, const InboundConnections::Entry& entry, obs::RateLimiter& limit,
         obs::Level level, std::string_view message, std::string_view policy) {
  const certs::Identity* const identity = entry.identity();
  context.log.Limited(limit, level, kScope, message,
                      {{"policy", policy},
                       {"src.addr", entry.source().ToString()},
                       {"src.identity", identity == nullptr ? "" : identity->ToString()},
                       {"dst.addr", entry.target().ToString()}});
}

void LogDryRun(WorkerContext& context, const InboundConnections::Entry& entry,
               const mesh::Decision& decision) {
  const auto tell = [&](std::string_view message, const std::vector<std::string>& policies) {
    for (const std::string& policy : policies) {
      Log(context, entry, context.inbound_connections.dry_run_lines(), obs::Level::kInfo, message,
          policy);
    }
  };
  tell("dry run: would be denied", decision.dry_run_denials);
  tell("dry run: would be allowed", decision.dry_run_allowances);
  tell("dry run: would not be allowed", decision.dry_run_refusals);
}

}  // namespace

Task<mesh::Decision> Judge(WorkerContext& context, InboundConnections::Entry& entry) {
  mesh::Decision decision = entry.Judge(*context.snapshot);
  if (decision.verdict == mesh::Verdict::kMissingPolicy) {
    TimedStop timed(entry.token(), InboundConnections::kPolicyWait, Reason::kPolicyDenied);
    while (decision.verdict == mesh::Verdict::kMissingPolicy) {
      const Status changed = co_await context.snapshot_changed.Wait(timed.token());
      if (!changed) break;
      decision = entry.Judge(*context.snapshot);
    }
  }
  const obs::Level level = context.config.policy_info_logging ? obs::Level::kInfo  //
                                                              : obs::Level::kDebug;
  if (context.log.enabled(level, kScope)) {
    Log(context, entry, context.inbound_connections.judgement_lines(), level, decision.Describe(),
        decision.policy);
  }
  LogDryRun(context, entry, decision);
  co_return decision;
}

}  // namespace aquifer::node
