#include "redirect/agent.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "core/rt/timer.h"
#include "redirect/agent_status.h"
#include "redirect/pod_processes.h"

namespace aquifer::redirect {
namespace {

constexpr std::string_view kScope = "agent";
// How often what could not be done is tried again, and namespaces are looked at.
constexpr size_t kMaxLines = 50;  // for refusals of one reading
constexpr Clock::duration kTick = std::chrono::seconds(1);
// Each pod's rules are read back once in this many ticks.
constexpr size_t kVerifyTicks = 10;
// A pod must be missing from the source for so long before its capture ends: a file may have been
// read while it was being written.
constexpr Clock::duration kGrace = std::chrono::milliseconds(150);
// A proxy that does not answer must not hold a pod in the mesh.
constexpr Clock::duration kLongestLeave = std::chrono::seconds(10);

std::string NameOf(const WantedPod& pod) { return pod.info.ns + "/" + pod.info.name; }

std::string ProxyWord(const ZdsAgent::PodStanding& standing) {
  switch (standing.standing) {
    case ZdsAgent::Standing::kUntold:
      return "untold";
    case ZdsAgent::Standing::kServed:
      return "served";
    case ZdsAgent::Standing::kFailed:
      return "failed: " + standing.error;
  }
  return "";
}

Redirection RedirectionOf(const Capture& capture, const ZdsAgent::PodStanding& standing) {
  if (!capture.verified()) return Redirection::kNone;
  const bool served = standing.standing == ZdsAgent::Standing::kServed;
  return served ? Redirection::kEnabled : Redirection::kPending;
}

}  // namespace

Agent::Agent(AgentOptions options, std::unique_ptr<PodSource> source, obs::Logger& log)
    : options_(std::move(options)),
      log_(log),
      source_(std::move(source)),
      server_({.path = options_.zds_socket}, log) {
  if (options_.install) installer_ = std::make_unique<CniInstaller>(*options_.install, log_);
  RegisterMetrics();
}

Task<void> Agent::Run(StopToken stop) {
  AdoptFormerRun();
  source_->Arm();
  Look();
  Scope scope;
  scope.Spawn(ServeProxies(stop));
  if (admin_ != nullptr) scope.Spawn(admin_->Run(stop));
  if (plugins_ != nullptr) scope.Spawn(plugins_->Run(stop));
  if (installer_ != nullptr) scope.Spawn(installer_->Run(stop));
  scope.Spawn(source_->Follow(source_changed_, stop));
  scope.Spawn(WatchSource(stop));
  scope.Spawn(WatchProxies(stop));
  co_await KeepCaptured(stop);
  co_await scope.Join();
}

// Everything is in place before the first proxy gets its snapshot: a pod left out of one is let go.
Task<void> Agent::ServeProxies(StopToken stop) {
  if (co_await ready_.Wait(stop)) co_await server_.Run(stop);
}

// Pods that an earlier run captured and that are no longer wanted must be released: nobody serves
// them now.
void Agent::AdoptFormerRun() {
  if (options_.status_file.empty()) return;
  const Decoded<std::string> text = ReadStatusFile(options_.status_file);
  if (!text) {
    log_.Warn(kScope, "the status of the last run is lost", {{"error", text.error().ToString()}});
    return;
  }
  if (text->empty()) return;
  const auto pods = PodsFromJson(*text);
  if (!pods) {
    log_.Warn(kScope, "the status of the last run is lost", {{"error", pods.error().ToString()}});
    return;
  }
  const std::vector<WantedPod> recovered = source_->Recover(*pods);
  for (const WantedPod& pod : recovered) {
    former_.emplace(pod.uid, pod);
    if (pod.sandbox == nullptr || !IsOfProcess(pod.netns))
      sandboxes_.Remember(pod.uid, pod.netns, pod.sandbox != nullptr);
    captures_[pod.uid].Adopt(pod);
  }
  // That was all that proxies may know.
  if (recovered.size() == pods->size()) ready_.Set();
}

Task<void> Agent::WatchSource(StopToken stop) {
  while (co_await source_changed_.Wait(stop)) {
    source_changed_.Reset();
    look_ = true;
    wake_.Set();
  }
}

Task<void> Agent::WatchProxies(StopToken stop) {
  while (co_await server_.progress().Wait(stop)) wake_.Set();
}

Task<void> Agent::KeepCaptured(StopToken stop) {
  while (!stop.requested()) {
    const TimePoint now = Loop::Current().now();
    const bool tick = now >= next_tick_;
    if (tick) next_tick_ = now + kTick;
    if (std::exchange(look_, false) || tick || !leaving_.empty()) Look();
    if (tick) VerifySome();
    TellSource();
    WriteStatus();
    TimedStop timed(stop, leaving_.empty() ? next_tick_ - now : kGrace, Reason::kTimeout);
    std::ignore = co_await wake_.Wait(timed.token());
    wake_.Reset();
  }
}

void Agent::Look() {
  source_->Look();
  if (source_->answered()) ready_.Set();
  LogRefusals();
  Choose();
  for (const auto& [uid, pod] : wanted_) captures_[uid].Want(pod);
  WriteStatus();  // before the deed, so that the next run knows of it even if this one dies in it
  BringAll();
  ReleaseUnwanted();
  learnt_.Wake();
}

void Agent::Choose() {
  wanted_ = source_->wanted();
  PutSandboxes();
  if (source_->complete()) former_.clear();
  wanted_.insert(former_.begin(), former_.end());
}

void Agent::BringAll() {
  for (auto& [uid, capture] : captures_) {
    if (!wanted_.contains(uid)) continue;
    const std::string before = capture.problem();
    const Capture::Change change = capture.Bring(verifier_);
    if (change != Capture::Change::kFailed || capture.problem() != before) Follow(capture, change);
  }
}

void Agent::Follow(Capture& capture, Capture::Change change) {
  const WantedPod& pod = capture.wanted();
  switch (change) {
    case Capture::Change::kNone:
      break;
    case Capture::Change::kCaptured:
      LogCaptured(capture);
      break;
    case Capture::Change::kRepaired:
      log_.Error(kScope, "pod was not captured as it should be, repaired",
                 {{"pod", NameOf(pod)}, {"found", capture.problem()}});
      break;
    case Capture::Change::kSandboxGone:
      log_.Info(kScope, "pod's namespace is gone", {{"pod", NameOf(pod)}, {"netns", pod.netns}});
      server_.RemovePod(pod.uid);
      sandboxes_.Remove(pod.uid);
      break;
    case Capture::Change::kFailed:
      log_.Error(kScope, "pod is not captured",
                 {{"pod", NameOf(pod)}, {"error", capture.problem()}});
      break;
  }
  if (capture.verified()) Serve(capture);
}

void Agent::LogCaptured(const Capture& capture) const {
  const WantedPod& pod = capture.wanted();
  const Existing& existing = capture.existing();
  log_.Info(kScope, "pod captured",
            {{"pod", NameOf(pod)}, {"netns", pod.netns}, {"connections_kept", existing.kept}});
  if (existing.not_kept)
    log_.Warn(kScope, "connections from before are not kept",
              {{"pod", NameOf(pod)}, {"error", existing.not_kept->ToString()}});
}

// A namespace has one pod, for it has one identity. A pod that leaves makes way; proxies hear of
// that first.
void Agent::Serve(Capture& capture) {
  for (const Capture* const other : OthersInNamespace(capture)) {
    const WantedPod& pod = other->wanted();
    if (wanted_.contains(pod.uid) && server_.pods().contains(pod.uid)) {
      capture.Refuse("namespace " + capture.wanted().netns + ": is that of pod " + NameOf(pod));
      log_.Limited(limiter_, obs::Level::kError, kScope, "pod is not captured",
                   {{"pod", NameOf(capture.wanted())}, {"error", capture.problem()}});
      return;
    }
    server_.RemovePod(pod.uid);
  }
  server_.SetPod(capture.pod());
}

std::vector<const Capture*> Agent::OthersInNamespace(const Capture& capture) const {
  std::vector<const Capture*> others;
  if (capture.netns() == nullptr) return others;
  for (const auto& [uid, other] : captures_) {
    if (&other == &capture || other.netns() == nullptr) continue;
    if (other.netns()->id() == capture.netns()->id()) others.push_back(&other);
  }
  return others;
}

// Round and round, a part at each tick, so that many pods do not hold up the proxies.
void Agent::VerifySome() {
  const size_t count = (captures_.size() + kVerifyTicks - 1) / kVerifyTicks;
  auto next = captures_.lower_bound(next_to_verify_);
  for (size_t i = 0; i < count; ++i) {
    if (next == captures_.end()) next = captures_.begin();
    const Capture::Change change = next->second.Verify(verifier_);
    if (change != Capture::Change::kNone) Follow(next->second, change);
    ++next;
  }
  next_to_verify_ = next == captures_.end() ? "" : next->first;
}

void Agent::ReleaseUnwanted() {
  const TimePoint now = Loop::Current().now();
  for (auto entry = captures_.begin(); entry != captures_.end();) {
    const std::string& uid = entry->first;
    if (wanted_.contains(uid)) {
      leaving_.erase(uid);
    } else if (const auto [leaving, first] = leaving_.emplace(uid, Leaving{.since = now});
               now - leaving->second.since >= kGrace && Release(entry->second, leaving->second)) {
      leaving_.erase(leaving);
      entry = captures_.erase(entry);
      continue;
    }
    ++entry;
  }
}

// New connections pass by the proxy, then the proxy ends the old ones, then the rules go. True when
// all is done.
bool Agent::Release(Capture& capture, Leaving& leaving) {
  const WantedPod& pod = capture.wanted();
  if (!leaving.passing) {
    if (!IsTakenOver(capture) && !Done(capture, capture.LetPass())) return false;
    server_.RemovePod(pod.uid);
    leaving.passing = true;
  }
  const bool waited = Loop::Current().now() - leaving.since > kLongestLeave;
  if (server_.AnyHolds(pod.uid) && !waited) return false;
  if (!IsTakenOver(capture) && !Done(capture, capture.Release())) return false;
  source_->Tell(pod.uid, Redirection::kNone);
  log_.Info(kScope, "pod released", {{"pod", NameOf(pod)}});
  return true;
}

bool Agent::Done(const Capture& capture, const Result<void, Refusal>& released) {
  if (released) return true;
  log_.Limited(limiter_, obs::Level::kError, kScope, "pod cannot be released, will be tried again",
               {{"pod", NameOf(capture.wanted())}, {"error", released.error().ToString()}});
  return false;
}

// By a pod of another uid, rules and all.
bool Agent::IsTakenOver(const Capture& capture) const {
  const std::vector<const Capture*> others = OthersInNamespace(capture);
  return std::any_of(others.begin(), others.end(),
                     [&](const Capture* other) { return wanted_.contains(other->wanted().uid); });
}

void Agent::TellSource() {
  for (const auto& [uid, capture] : captures_)
    source_->Tell(uid, RedirectionOf(capture, server_.StandingOf(uid)));
}

// Each once, as long as it is there.
void Agent::LogRefusals() {
  std::set<std::string> found;
  size_t lines = 0;
  for (const Refusal& refusal : source_->refusals()) {
    std::string text = refusal.ToString();
    if (!told_refusals_.contains(text) && !found.contains(text)) {
      ++refusals_found_;
      if (++lines <= kMaxLines) {
        log_.Error(kScope, "manifest refused", {{"field", refusal.field}, {"why", refusal.why}});
      }
    }
    found.insert(std::move(text));
  }
  if (lines > kMaxLines) {
    log_.Error(kScope, "more manifests refused, all of them are in the status",
               {{"left_out", lines - kMaxLines}});
  }
  told_refusals_ = std::move(found);
}

std::string Agent::StatusText() const {
  AgentStatus status{.node = options_.node_name, .proxies = server_.proxies()};
  for (const auto& [uid, capture] : captures_) {
    status.pods.push_back({.pod = capture.wanted(),
                           .verified = capture.verified(),
                           .problem = capture.problem(),
                           .proxy = ProxyWord(server_.StandingOf(uid))});
  }
  status.refusals = source_->refusals();
  return StatusToJson(status);
}

void Agent::WriteStatus() {
  if (options_.status_file.empty()) return;
  std::string text = StatusText();
  if (text == status_) return;
  const Status written = ReplaceFile(options_.status_file, text);
  if (written) {
    status_ = std::move(text);
    return;
  }
  log_.Error(kScope, "cannot write the status",
             {{"file", options_.status_file}, {"error", Describe(written.error())}});
}

}  // namespace aquifer::redirect
