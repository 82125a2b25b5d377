#include <cmath>
#include <map>
#include <set>

#include "cli/commands.h"
#include "cli/proxy_certs.h"

namespace aquifer::cli {
namespace {

constexpr const char* kHome = "aquifer-system";

struct Report {
  std::vector<ProxyCerts> proxies;
  Roots roots;
  // That a node's proxy has to have, "<namespace>/<account>", by node.
  std::map<std::string, std::set<std::string>> identities;

  const std::set<std::string>& IdentitiesOf(const ProxyCerts& proxy) const {
    static const std::set<std::string> none;
    const auto found = identities.find(proxy.pod.node);
    return proxy.pod.part == "node" && found != identities.end() ? found->second : none;
  }
};

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
                    EndText(proxy.soonest).empty() ? "-" : EndText(proxy.soonest)});
  }
  out.Table({"PROXY", "NODE", "AVAILABLE", "PENDING", "FAILED", "SOONEST EXPIRY"}, rows);
  out.Write("\n");
  rows.clear();
  for (const ProxyCerts& proxy : report.proxies) {
    for (const std::string& identity : report.IdentitiesOf(proxy))
      rows.push_back({proxy.pod.node, identity});
  }
  out.Table({"NODE", "IDENTITY"}, rows);
  out.Write("\n");
  rows.clear();
  for (const Root& root : report.roots.roots)
    rows.push_back({root.serial_number, EndText(root.end)});
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
                                {"soonestExpiry", EndText(proxy.soonest)},
                                {"identities", report.IdentitiesOf(proxy)},
                                {"problem", proxy.problem}});
  for (const Root& root : report.roots.roots)
    value["roots"].push_back(
        {{"serialNumber", root.serial_number}, {"notAfter", EndText(root.end)}});
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
  Report report;
  report.identities = AccountsOf(*all);
  report.proxies = co_await ReadProxyCerts(cluster, *ours, stop);
  std::string home = context.arguments.Value("--control-namespace", kHome);
  report.roots = co_await ReadRoots(cluster, std::move(home), stop);
  bool good = report.roots.problem.empty();
  if (!good) context.out.Complain("the root cannot be told: " + report.roots.problem);
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
