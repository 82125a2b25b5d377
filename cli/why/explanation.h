// Why a connection or request gets through, or does not: what each proxy on its way found, and
// which policy had the last word. Values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace aquifer::cli {

// One policy that a proxy asked, in the order in which it asks.
struct PolicyStep {
  std::string kind;    // "AuthorizationPolicy", "PeerAuthentication"
  std::string name;    // "<namespace>/<name>"
  std::string action;  // "ALLOW", "DENY", "CUSTOM", "AUDIT", "STRICT"
  bool dry_run = false;
  std::optional<std::size_t> rule;  // of spec.rules, from 0: the first that matches
  std::string note;                 // what else is to be known of it; may be empty
  bool decides = false;
};

struct Hop {
  std::string place;               // "node proxy of node1, at the source"
  std::vector<std::string> facts;  // what it sees and does, one sentence each
  std::vector<PolicyStep> policies;
};

// Who had the last word.
struct Decider {
  std::string kind;
  std::string name;
  std::optional<std::size_t> rule;
};

enum class Outcome : std::uint8_t {
  kAllowed,
  kDenied,
  kUnreachable,  // no policy, but it does not get there
  kUnknown,      // it leaves what the objects tell of
};

struct Explanation {
  Outcome outcome = Outcome::kAllowed;
  std::optional<Decider> by;
  std::string because;  // a sentence without its full stop
  std::vector<Hop> hops;
  std::vector<std::string> remarks;  // about policies that are not where their author thinks
};

}  // namespace aquifer::cli
