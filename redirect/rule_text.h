// The rules of a captured pod as text for nftables (the in-pod rules of Istio's node agent, in its
// tables inet istio-ambient-nat, -mangle and -raw, so that either agent replaces the other's).
// Pure.
#pragma once

#include <array>
#include <compare>
#include <string>
#include <string_view>

namespace aquifer::redirect {

struct RuleOptions {
  // Off by annotation ambient.istio.io/bypass-inbound-capture.
  bool inbound = true;
  // DNS goes to the proxy (port 15053). Only when the proxy serves DNS there: else the pod has
  // none.
  bool dns = false;

  friend auto operator<=>(const RuleOptions&, const RuleOptions&) = default;
};

inline constexpr std::array<std::string_view, 3> kTables = {
    "istio-ambient-nat", "istio-ambient-mangle", "istio-ambient-raw"};

// One transaction that leaves exactly these rules, whatever was in the tables before.
std::string RuleText(const RuleOptions& options);
// One transaction that leaves none of the tables, whether or not they were there.
std::string RemovalText();
// Prints the tables; fails where one of them is missing.
std::string ListingText();

}  // namespace aquifer::redirect
