#include "cli/check/ends.h"

#include <algorithm>
#include <string>

namespace aquifer::cli {
namespace {

constexpr double kSoonForRoot = 30.0 * 86400;
// Certificates are renewed when half of their life is over.
constexpr double kSoonForProxy = 15.0 * 60;

// The proxies for which `is_so` holds, a few of them by name.
template <class IsSo>
std::string NamesOf(const std::vector<ProxyCerts>& proxies, IsSo is_so) {
  constexpr size_t kNamed = 3;
  std::string names;
  size_t count = 0;
  for (const ProxyCerts& proxy : proxies) {
    if (!is_so(proxy) || ++count > kNamed) continue;
    names += (names.empty() ? "" : ", ") + proxy.pod.ToString();
  }
  return count > kNamed ? names + " and " + std::to_string(count - kNamed) + " others" : names;
}

}  // namespace

Finding JudgeRoots(const Roots& roots, double now) {
  static constexpr const char* kCure = "see docs/control.md, A root that nears its end";
  if (!roots.problem.empty() || roots.roots.empty()) {
    return {Verdict::kFail, "the roots of the mesh are not known: " + roots.problem,
            "the log of aquifer-control tells why"};
  }
  double last = 0;
  for (const Root& root : roots.roots) last = std::max(last, root.end);
  const std::string what = std::to_string(roots.roots.size()) + " roots of the mesh, the last ";
  if (last <= now) return {Verdict::kFail, what + "ended " + EndText(last), kCure};
  if (last - now < kSoonForRoot) return {Verdict::kWarn, what + "ends " + EndText(last), kCure};
  return {Verdict::kOk, what + "ends " + EndText(last), ""};
}

std::vector<Finding> JudgeProxyCerts(const std::vector<ProxyCerts>& proxies, double now) {
  std::vector<Finding> findings;
  const std::string unread =
      NamesOf(proxies, [](const ProxyCerts& proxy) { return !proxy.problem.empty(); });
  if (!unread.empty())
    findings.push_back({Verdict::kWarn, "certificates are not known of " + unread,
                        "get on pods/proxy is needed; \"aquifer certs\" tells what was answered"});
  const std::string failed =
      NamesOf(proxies, [](const ProxyCerts& proxy) { return proxy.unavailable.value_or(0) > 0; });
  if (!failed.empty())
    findings.push_back({Verdict::kFail, "certificates cannot be had by " + failed,
                        "\"aquifer logs control\" tells why"});
  const auto left = [&](const ProxyCerts& proxy) { return proxy.soonest.value_or(0) - now; };
  const auto has = [](const ProxyCerts& proxy) { return proxy.soonest.value_or(0) > 0; };
  const std::string ended =
      NamesOf(proxies, [&](const ProxyCerts& proxy) { return has(proxy) && left(proxy) <= 0; });
  if (!ended.empty())
    findings.push_back({Verdict::kFail, "certificates have ended at " + ended,
                        "\"aquifer logs node\" and \"aquifer logs control\" tell why"});
  const std::string soon = NamesOf(proxies, [&](const ProxyCerts& proxy) {
    return has(proxy) && left(proxy) > 0 && left(proxy) < kSoonForProxy;
  });
  if (!soon.empty())
    findings.push_back({Verdict::kWarn, "certificates end within 15 minutes at " + soon,
                        "unless they are made for so short a time, see \"aquifer logs control\""});
  if (!findings.empty()) return findings;
  double first = 0;
  for (const ProxyCerts& proxy : proxies) {
    if (has(proxy)) first = first == 0 ? *proxy.soonest : std::min(first, *proxy.soonest);
  }
  const std::string text = EndText(first);
  findings.push_back({Verdict::kOk,
                      text.empty() ? "no proxy has a certificate by now"
                                   : "certificates of the proxies are good, the first ends " + text,
                      ""});
  return findings;
}

}  // namespace aquifer::cli
