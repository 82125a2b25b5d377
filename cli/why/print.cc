#include "cli/why/print.h"

namespace aquifer::cli {
namespace {

std::string_view WordOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAllowed:
      return "ALLOWED";
    case Outcome::kDenied:
      return "DENIED";
    case Outcome::kUnreachable:
      return "UNREACHABLE";
    case Outcome::kUnknown:
      return "UNKNOWN";
  }
  return "UNKNOWN";
}

std::string FieldOf(std::size_t rule) { return "spec.rules[" + std::to_string(rule) + "]"; }

std::string RuleWords(std::size_t rule) {
  return "rule " + std::to_string(rule + 1) + " (" + FieldOf(rule) + ")";
}

std::string StepText(const PolicyStep& step) {
  std::string text = step.action + "  " + step.kind + " " + step.name + ": ";
  if (step.kind == "PeerAuthentication") {
    text += step.rule ? "refuses what comes in the clear" : "is satisfied";
  } else {
    text += step.rule ? RuleWords(*step.rule) + " matches" : "no rule matches";
  }
  if (step.dry_run) text += ", dry run";
  if (!step.note.empty()) text += "; " + step.note;
  return text;
}

OrderedJson ToJson(const PolicyStep& step) {
  OrderedJson value = {{"kind", step.kind}, {"name", step.name}, {"action", step.action}};
  if (step.dry_run) value["dryRun"] = true;
  value["matches"] = step.rule.has_value();
  if (step.rule && step.kind != "PeerAuthentication") value["rule"] = FieldOf(*step.rule);
  if (!step.note.empty()) value["note"] = step.note;
  value["decides"] = step.decides;
  return value;
}

}  // namespace

std::string VerdictOf(const Explanation& explanation) {
  std::string text(WordOf(explanation.outcome));
  if (explanation.by) {
    text += " by " + explanation.by->kind + " " + explanation.by->name;
    if (explanation.by->rule) text += " " + RuleWords(*explanation.by->rule);
  }
  return text + ": " + explanation.because;
}

void Print(const Explanation& explanation, Output& out) {
  for (const Hop& hop : explanation.hops) {
    out.Line({hop.place});
    for (const std::string& fact : hop.facts) out.Line({"  " + fact});
    for (const PolicyStep& step : hop.policies)
      out.Line({"  " + StepText(step) + (step.decides ? "  <- decides" : "")});
  }
  for (const std::string& remark : explanation.remarks) out.Line({"note: " + remark});
  const bool good = explanation.outcome == Outcome::kAllowed;
  out.Line({Cell(VerdictOf(explanation), good ? Colour::kGood : Colour::kBad)});
}

OrderedJson DocumentOf(const Explanation& explanation) {
  OrderedJson value = {{"outcome", WordOf(explanation.outcome)}};
  if (explanation.by) {
    value["by"] = {{"kind", explanation.by->kind}, {"name", explanation.by->name}};
    if (explanation.by->rule) value["by"]["rule"] = FieldOf(*explanation.by->rule);
  }
  value["because"] = explanation.because;
  value["hops"] = OrderedJson::array();
  for (const Hop& hop : explanation.hops) {
    OrderedJson policies = OrderedJson::array();
    for (const PolicyStep& step : hop.policies) policies.push_back(ToJson(step));
    value["hops"].push_back(
        {{"place", hop.place}, {"facts", hop.facts}, {"policies", std::move(policies)}});
  }
  value["remarks"] = explanation.remarks;
  return value;
}

}  // namespace aquifer::cli
