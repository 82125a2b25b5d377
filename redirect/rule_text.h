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
  // Off only while a pod leaves: nothing new is redirected, and what was goes on being translated.
  bool outbound = true;
  // Off by annotation ambient.istio.io/bypass-inbound-capture.
  bool inbound = true;
  // DNS goes to the proxy (port 15053). Only when the proxy serves DNS there: else the pod has
  // none.
  bool dns = false;

  friend auto operator<=>(const RuleOptions&, const RuleOptions&) = default;
};

// For a pod that leaves, until its proxy has ended the connections that it carries. Without the
// chains the kernel would stop translating them, and their ends would never learn of it.
inline constexpr RuleOptions kPassing{.outbound = false, .inbound = false, .dns = false};

inline constexpr std::array<std::string_view, 3> kTables = {
    "istio-ambient-nat", "istio-ambient-mangle", "istio-ambient-raw"};

// One transaction that leaves exactly these rules, whatever was in the tables before.
std::string RuleText(const RuleOptions& options);
// One transaction that leaves none of the tables, whether or not they were there.
std::string RemovalText();
// Prints one of the tables; fails where it is missing.
std::string ListingText(std::string_view table);

}  // namespace aquifer::redirect
