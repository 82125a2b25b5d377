#include <cmath>
#include <map>
#include <set>

#include "certs/bundle.h"
#include "cli/commands.h"
#include "cli/metrics_text.h"
#include "cli/our_pods.h"
#include "control/names.h"

namespace aquifer::cli {
namespace {

constexpr const char* kRootMap = "istio-ca-root-cert";
constexpr const char* kHome = "aquifer-system";
constexpr double kLatest = 253402300799;  // the last second of the year 9999

struct ProxyCerts {
  OurPod pod;
  std::string problem;  // why its metrics are not there
  std::optional<double> available;
  std::optional<double> initializing;
  std::optional<double> unavailable;
  std::string soonest;               // RFC 3339; empty: none
  std::set<std::string> identities;  // that it has to have, "<namespace>/<account>"
};

struct Report {
  std::vector<ProxyCerts> proxies;
  std::vector<std::pair<std::string, std::string>> roots;  // serial number, end
  std::string root_problem;
};

std::string TimeText(double seconds) {
  if (!(seconds > 0) || seconds > kLatest) return "";
  return control::FormatTimestamp(static_cast<std::int64_t>(seconds));
}

Task<void> ReadMetrics(Cluster& cluster, ProxyCerts& proxy, StopToken stop) {
  const KindPath pods{"/api/v1", "pods", true};
  std::string path =
      ObjectPath(pods, proxy.pod.name_space, proxy.pod.name) + ":15020/proxy/metrics";
  const Answer<std::string> text = co_await cluster.Text(std::move(path), stop);
  if (!text.ok()) {
    proxy.problem = text.error().ToString();
    co_return;
  }
  proxy.available = ReadSample(*text, "aquifer_certificates_available");
  proxy.initializing = ReadSample(*text, "aquifer_certificates_initializing");
  proxy.unavailable = ReadSample(*text, "aquifer_certificates_unavailable");
  proxy.soonest = TimeText(
      ReadSample(*text, "aquifer_certificates_soonest_expiry_timestamp_seconds").value_or(0));
}

void TakeRoots(const std::string& pem, Report& report) {
  const auto bundle = certs::RootBundle::FromPem(pem);
  if (!bundle) {
    report.root_problem = bundle.error().ToString();
    return;
  }
  for (const certs::CertificateInfo& root : (*bundle)->certificates()) {
    const auto end =
        std::chrono::duration_cast<std::chrono::seconds>(root.not_after.time_since_epoch());
    report.roots.emplace_back(root.serial_number, TimeText(static_cast<double>(end.count())));
  }
}

Task<void> ReadRoots(Cluster& cluster, const Context& context, Report& report, StopToken stop) {
  ObjectName name{"v1", "ConfigMap", context.arguments.Value("--control-namespace", kHome),
                  kRootMap};
  const std::string place = name.ToString();
  const Answer<std::optional<Json>> map = co_await cluster.Read(std::move(name), stop);
  if (!map.ok()) {
    report.root_problem = place + ": " + map.error().ToString();
  } else if (!*map) {
    report.root_problem = place + " is not there";
  } else {
    TakeRoots(TextAt(**map, {"data", "root-cert.pem"}), report);
  }
}

// Accounts of captured pods, by node.
std::map<std::string, std::set<std::string>> AccountsOf(const std::vector<Json>& pods) {
  std::map<std::string, std::set<std::string>> accounts;
  for (const Json& pod : pods) {
    if (TextAt(pod, {"metadata", "annotations", "ambient.istio.io/redirection"}) != "enabled")
      continue;
    std::string account = TextAt(pod, {"spec", "serviceAccountName"});
    if (account.empty()) account = "default";
    accounts[TextAt(pod, {"spec", "nodeName"})].insert(TextAt(pod, {"metadata", "namespace"}) +
                                                       "/" + account);
  }
  return accounts;
}

std::string Number(const std::optional<double>& value) {
  return value && *value >= 0 && *value < 1e9 ? std::to_string(std::llround(*value)) : "?";
}

void Print(const Report& report, Output& out) {
  std::vector<std::vector<Cell>> rows;
  for (const ProxyCerts& proxy : report.proxies) {
    const bool bad = !proxy.problem.empty() || proxy.unavailable.value_or(0) > 0;
    rows.push_back({proxy.pod.ToString(), proxy.pod.node, Number(proxy.available),
                    Number(proxy.initializing),
                    Cell(Number(proxy.unavailable), bad ? Colour::kBad : Colour::kNone),
                    proxy.soonest.empty() ? "-" : proxy.soonest});
  }
  out.Table({"PROXY", "NODE", "AVAILABLE", "PENDING", "FAILED", "SOONEST EXPIRY"}, rows);
  out.Write("\n");
  rows.clear();
  for (const ProxyCerts& proxy : report.proxies) {
    for (const std::string& identity : proxy.identities) rows.push_back({proxy.pod.node, identity});
  }
  out.Table({"NODE", "IDENTITY"}, rows);
  out.Write("\n");
  rows.clear();
  for (const auto& [serial, end] : report.roots) rows.push_back({serial, end});
  out.Table({"ROOT SERIAL", "NOT AFTER"}, rows);
}

OrderedJson DocumentOf(const Report& report) {
  OrderedJson value = {{"proxies", OrderedJson::array()}, {"roots", OrderedJson::array()}};
  const auto number = [](const std::optional<double>& of) {
    return of ? OrderedJson(*of) : OrderedJson();
  };
  for (const ProxyCerts& proxy : report.proxies)
    value["proxies"].push_back({{"name", proxy.pod.ToString()},
                                {"node", proxy.pod.node},
                                {"available", number(proxy.available)},
                                {"initializing", number(proxy.initializing)},
                                {"unavailable", number(proxy.unavailable)},
                                {"soonestExpiry", proxy.soonest},
                                {"identities", proxy.identities},
                                {"problem", proxy.problem}});
  for (const auto& [serial, end] : report.roots)
    value["roots"].push_back({{"serialNumber", serial}, {"notAfter", end}});
  return value;
}

Task<int> Ask(const Context& context, Cluster& cluster, StopToken stop) {
  const Decoded<Form> form = ReadForm(context.arguments.Value("--output"));
  if (!form) co_return context.Misused(form.error());
  const Answer<std::vector<OurPod>> ours = co_await ListOurPods(cluster, stop);
  if (!ours.ok()) co_return context.Failed("pods cannot be listed: " + ours.error().ToString());
  const Answer<std::vector<Json>> all =
      co_await cluster.List(std::string("/api/v1/pods"), std::string(), stop);
  if (!all.ok()) co_return context.Failed("pods cannot be listed: " + all.error().ToString());
  const std::map<std::string, std::set<std::string>> accounts = AccountsOf(*all);
  Report report;
  for (const OurPod& pod : *ours) {
    if (pod.part != "node" && pod.part != "waypoint") continue;
    ProxyCerts proxy;
    proxy.pod = pod;
    const auto found = accounts.find(pod.node);
    if (pod.part == "node" && found != accounts.end()) proxy.identities = found->second;
    report.proxies.push_back(std::move(proxy));
  }
  for (ProxyCerts& proxy : report.proxies) co_await ReadMetrics(cluster, proxy, stop);
  co_await ReadRoots(cluster, context, report, stop);
  bool good = report.root_problem.empty();
  if (!good) context.out.Complain("the root cannot be told: " + report.root_problem);
  for (const ProxyCerts& proxy : report.proxies) {
    if (!proxy.problem.empty()) context.out.Complain(proxy.pod.ToString() + ": " + proxy.problem);
    good = good && proxy.problem.empty() && proxy.unavailable.value_or(0) == 0;
  }
  if (*form == Form::kTable) {
    Print(report, context.out);
  } else {
    context.out.Document(DocumentOf(report), *form);
  }
  co_return good ? 0 : kExitBad;
}

}  // namespace

Command CertsCommand() {
  Command command;
  command.name = "certs";
  command.summary = "certificates of the proxies: how many, whose, when the first ends; the roots";
  command.details =
      "Counts and times are those of the proxies' metrics, asked through the API server; serial\n"
      "numbers of single certificates are told only on the proxies' own machines.";
  command.flags = {
      kOutputFlag,
      {"--control-namespace", "NAME", "where aquifer-control runs (default aquifer-system)"}};
  command.ask = &Ask;
  return command;
}

}  // namespace aquifer::cli
