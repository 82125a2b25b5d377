#include "redirect/rules.h"

#include <sched.h>

#include "core/base/last_error.h"
#include "redirect/netns.h"
#include "redirect/nft.h"
#include "redirect/policy_routing.h"
#include "redirect/tracking.h"

namespace aquifer::redirect {
namespace {

// One run a table: in one run with several listings the library's cache knows only the last table.
Result<std::string, Refusal> List(Nft& nft) {
  std::string all;
  for (const std::string_view table : kTables) {
    const auto listing = nft.Run(ListingText(table));
    if (!listing) return Refusal{"table inet " + std::string(table), listing.error().why};
    all += *listing;
  }
  return all;
}

Result<std::string, Refusal> Comparable() {
  AQ_TRY(Nft nft, Nft::Open());
  nft.HideCounters();
  return List(nft);
}

std::string FirstDifference(const std::string& expected, const std::string& found) {
  size_t at = 0;
  while (at < expected.size() && at < found.size() && expected[at] == found[at]) ++at;
  const auto line = [at](const std::string& text) {
    const size_t start = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;
    const std::string whole = text.substr(start, text.find('\n', start) - start);
    const size_t word = whole.find_first_not_of("\t ");
    return word == std::string::npos ? std::string("the end") : whole.substr(word);
  };
  return "should be \"" + line(expected) + "\" and is \"" + line(found) + "\"";
}

// Applies the rules to a namespace that lives for this call alone.
Result<std::string, Refusal> ReadBackFromFresh(const RuleOptions& options) {
  const Result<NetnsRef> home = Netns::Current();
  if (!home) return Refusal{"namespace", Describe(home.error())};
  if (::unshare(CLONE_NEWNET) != 0) {
    return Refusal{"fresh namespace", Describe(LastError())};
  }
  const NetnsReturn back(**home);
  AQ_TRY(Nft nft, Nft::Open());
  const auto applied = nft.Run(RuleText(options));
  if (!applied) return applied.error();
  return Comparable();
}

// For a namespace without our tables: one transaction that removes nothing, and is refused where
// there is one. Closing its socket waits for what was removed, some 15 ms for each pod.
std::string FirstRuleText(const RuleOptions& options) {
  std::string text;
  for (const std::string_view table : kTables)
    text += "create table inet " + std::string(table) + "\n";
  return text + RuleText(options).substr(RemovalText().size());
}

Result<void, Refusal> Apply(Nft& nft, const RuleOptions& options, bool first = false) {
  // Routes first: they concern marked packets alone, and the rules that mark rely on them.
  AQ_TRY_STATUS(AddPolicyRouting());
  Result<std::string, Refusal> applied =
      nft.Run(first ? FirstRuleText(options) : RuleText(options));
  if (!applied && first) applied = nft.Run(RuleText(options));  // only some of them were there
  if (applied) {
    SetTracking();  // the settings are there once rules ask for tracking
    return {};
  }
  // The kernel kept what it had. If that is nothing, nothing of ours stays.
  if (!List(nft)) static_cast<void>(RemovePolicyRouting());
  return applied.error();
}

}  // namespace

Result<void, Refusal> ApplyRules(const RuleOptions& options) {
  AQ_TRY(Nft nft, Nft::Open());
  return Apply(nft, options);
}

Result<Existing, Refusal> ApplyFirstRules(const RuleOptions& options) {
  AQ_TRY(Nft nft, Nft::Open());
  if (nft.Run(ListingText(kTables[0]))) {
    AQ_TRY_STATUS(Apply(nft, options));
    return Existing();
  }
  // Before the rules, so that no packet meets them without an entry, and once more for what was
  // opened meanwhile.
  const Existing before = KeepExisting();
  const OnlyFromTheStart meanwhile;
  AQ_TRY_STATUS(Apply(nft, options, true));
  Existing existing = KeepExisting();
  existing.kept += before.kept;
  return existing;
}

Result<void, Refusal> RemoveRules() {
  AQ_TRY(Nft nft, Nft::Open());
  const auto removed = nft.Run(RemovalText());
  if (!removed) return removed.error();
  RestoreTracking();
  return RemovePolicyRouting();
}

Result<std::string, Refusal> ListRules() {
  AQ_TRY(Nft nft, Nft::Open());
  return List(nft);
}

Result<std::string, Refusal> RuleVerifier::Expected(const RuleOptions& options) {
  if (const auto found = expected_.find(options); found != expected_.end()) return found->second;
  AQ_TRY(std::string expected, ReadBackFromFresh(options));
  expected_.emplace(options, expected);
  return expected;
}

Result<void, Refusal> RuleVerifier::Verify(const RuleOptions& options) {
  AQ_TRY(const std::string expected, Expected(options));
  AQ_TRY(const std::string found, Comparable());
  if (found != expected) return Refusal{"nftables", FirstDifference(expected, found)};
  return CheckPolicyRouting();
}

}  // namespace aquifer::redirect
