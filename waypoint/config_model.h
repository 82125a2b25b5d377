// What a waypoint or gateway has been told, as plain values: its Gateway, HTTPRoutes (Gateway API
// names) and layer 7 AuthorizationPolicies (security.istio.io names). Made by decode_*.h from
// mesh/proto/waypoint.proto, immutable afterwards, shared between workers.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/address.h"
#include "waypoint/path.h"
#include "waypoint/path_template.h"
#include "waypoint/regex.h"
#include "waypoint/string_pattern.h"

namespace aquifer::waypoint {

struct ObjectName {
  std::string ns;
  std::string name;

  std::string ToString() const { return ns + "/" + name; }
  friend auto operator<=>(const ObjectName&, const ObjectName&) = default;
  friend bool operator==(const ObjectName&, const ObjectName&) = default;
};

// --- Gateway -------------------------------------------------------------------------------------

enum class ListenerProtocol : std::uint8_t { kOther, kHttp, kHbone, kTcp, kTls, kUdp };
enum class WaypointFor : std::uint8_t { kService, kWorkload, kAll, kNone };

struct Listener {
  std::string name;
  std::uint16_t port = 0;
  ListenerProtocol protocol = ListenerProtocol::kOther;
  std::string hostname;  // lower case; empty: every host
};

struct MeshSettings {
  std::string root_namespace = "istio-system";
  std::string trust_domain = "cluster.local";
  std::vector<std::string> trust_domain_aliases;
  PathNormalization path_normalization = PathNormalization::kBase;
  std::uint32_t num_trusted_proxies = 0;
};

struct Gateway {
  ObjectName name;
  std::string class_name;
  std::string service_account;
  bool is_waypoint = false;
  bool xfcc_include_client_identity = false;
  WaypointFor waypoint_for = WaypointFor::kService;
  std::vector<Listener> listeners;
  std::vector<std::string> addresses;  // by which the workload API names this waypoint
  MeshSettings mesh;
};

// --- HTTPRoute -----------------------------------------------------------------------------------

struct PathMatch {
  enum class Type : std::uint8_t { kExact, kPrefix, kRegex };
  Type type = Type::kPrefix;
  std::string value = "/";     // escapes in upper case; of a regular expression as configured
  std::optional<Regex> regex;  // for kRegex
};

// A header or a query parameter.
struct ValueMatch {
  std::string name;  // headers: lower case
  std::string value;
  std::optional<Regex> regex;  // instead of `value`

  bool Matches(std::string_view text) const { return regex ? regex->Matches(text) : text == value; }
};

struct RouteMatch {
  PathMatch path;
  std::vector<ValueMatch> headers;
  std::vector<ValueMatch> query_params;
  std::string method;  // empty: every method
};

struct HeaderModifier {
  std::vector<std::pair<std::string, std::string>> set;
  std::vector<std::pair<std::string, std::string>> add;
  std::vector<std::string> remove;

  bool empty() const { return set.empty() && add.empty() && remove.empty(); }
};

struct PathModifier {
  enum class Type : std::uint8_t { kNone, kReplaceFullPath, kReplacePrefixMatch };
  Type type = Type::kNone;
  std::string value;
};

struct RequestRedirect {
  std::string scheme;
  std::string hostname;
  PathModifier path;
  std::uint16_t port = 0;
  std::uint16_t status_code = 302;
};

struct UrlRewrite {
  std::string hostname;
  PathModifier path;
};

struct Cors {
  std::vector<std::string> allow_origins;
  bool allow_credentials = false;
  std::vector<std::string> allow_methods;
  std::vector<std::string> allow_headers;
  std::vector<std::string> expose_headers;
  std::uint32_t max_age_seconds = 5;
};

struct ServiceRef {
  std::string ns;
  std::string hostname;
  std::uint16_t port = 0;  // as a parent, 0 is every port

  friend auto operator<=>(const ServiceRef&, const ServiceRef&) = default;
  friend bool operator==(const ServiceRef&, const ServiceRef&) = default;
};

struct RequestMirror {
  ServiceRef service;
  std::uint32_t numerator = 1;  // this many of `denominator` requests
  std::uint32_t denominator = 1;
};

// The filters of a rule or a backend. One of a kind, as the API has it; header modifiers add up.
struct Filters {
  HeaderModifier request_headers;
  HeaderModifier response_headers;
  std::optional<RequestRedirect> redirect;
  std::optional<UrlRewrite> rewrite;
  std::optional<Cors> cors;
  std::vector<RequestMirror> mirrors;
  // Why a filter cannot be applied; the requests are answered 500, for leaving it out could open
  // what it was meant to close.
  std::string invalid;
};

struct Backend {
  ServiceRef service;
  std::uint32_t weight = 1;
  Filters filters;
  std::string invalid;  // why its share of the requests is answered 500
};

struct Retry {
  std::uint32_t attempts = 2;  // beyond the first
  std::vector<int> codes;
  std::chrono::milliseconds backoff{25};
};

struct RouteRule {
  std::string name;
  std::vector<RouteMatch> matches;  // at least one
  Filters filters;
  std::vector<Backend> backends;
  std::chrono::milliseconds request_timeout{0};  // 0: none
  std::chrono::milliseconds backend_request_timeout{0};
  std::optional<Retry> retry;
};

struct ListenerRef {
  ObjectName gateway;
  std::string listener;
};

struct HttpRoute {
  ObjectName name;
  std::int64_t creation_seconds = 0;
  std::vector<std::string> hostnames;  // lower case
  std::vector<ListenerRef> listener_parents;
  std::vector<ServiceRef> service_parents;
  std::vector<RouteRule> rules;
  // Not empty: what in it could not be understood. Its one rule then answers 500 for its parents.
  std::string refused;
};

// --- TCPRoute, TLSRoute, UDPRoute ----------------------------------------------------------------

struct L4Backend {
  ServiceRef service;
  std::uint32_t weight = 1;
  std::string invalid;             // why its share is turned away
  std::vector<Address> endpoints;  // of a UDPRoute
};

struct L4Route {
  enum class Kind : std::uint8_t { kTcp, kTls, kUdp };
  Kind kind = Kind::kTcp;
  ObjectName name;
  std::int64_t creation_seconds = 0;
  std::vector<std::string> hostnames;  // lower case; none: every server name
  std::vector<ListenerRef> listeners;
  std::vector<L4Backend> backends;
  // Not empty: what in it could not be understood. It then has no backend, and turns away what it
  // would take.
  std::string refused;
};

// --- AuthorizationPolicy -------------------------------------------------------------------------

enum class PolicyAction : std::uint8_t { kAllow, kDeny, kAudit, kCustom };

// A path of `to.operation`: a string pattern or a template.
struct PathPattern {
  StringPattern pattern = StringPattern::Parse("");
  std::optional<PathTemplate> path_template;

  bool Matches(std::string_view path) const {
    return path_template ? path_template->Matches(path) : pattern.Matches(path);
  }
};

struct ServiceAccountName {
  std::string ns;
  std::string name;
};

template <class T>
struct Clause {
  std::vector<T> values;      // one of them matches, if there are any
  std::vector<T> not_values;  // none of them matches
};

struct PolicySource {
  Clause<StringPattern> principals;
  Clause<std::string> namespaces;  // globs: a star anywhere is any text
  Clause<ServiceAccountName> service_accounts;
  Clause<StringPattern> trust_domains;
  Clause<Cidr> ip_blocks;
  Clause<Cidr> remote_ip_blocks;
  // Names what only a validated token could tell (requestPrincipals). See waypoint/authz.h.
  bool needs_token = false;
};

struct PolicyOperation {
  Clause<StringPattern> hosts;
  Clause<StringPattern> methods;
  Clause<PathPattern> paths;
  Clause<std::uint16_t> ports;
};

struct PolicyCondition {
  enum class Key : std::uint8_t {
    kRequestHeader,
    kSourceIp,
    kRemoteIp,
    kSourceNamespace,
    kSourceServiceAccount,
    kSourceTrustDomain,
    kSourcePrincipal,
    kDestinationIp,
    kDestinationPort,
    kConnectionSni,
    kUndecidable,  // needs a validated token or an extension's metadata
  };
  Key key = Key::kUndecidable;
  std::string header;  // lower case, for kRequestHeader
  Clause<StringPattern> patterns;
  Clause<std::string> globs;
  Clause<ServiceAccountName> service_accounts;
  Clause<Cidr> blocks;
  Clause<std::uint16_t> ports;
};

struct PolicyRule {
  std::vector<PolicySource> from;
  std::vector<PolicyOperation> to;
  std::vector<PolicyCondition> when;
};

struct PolicyTarget {
  enum class Kind : std::uint8_t { kGateway, kGatewayClass, kService, kEverything };
  Kind kind = Kind::kEverything;
  ObjectName name;  // for kService `name` is the host name
};

struct Policy {
  ObjectName name;
  PolicyAction action = PolicyAction::kDeny;
  bool dry_run = false;
  std::vector<PolicyTarget> targets;
  std::vector<PolicyRule> rules;
  // Not empty: what in it could not be understood. It then denies every request to its targets.
  std::string refused;
};

}  // namespace aquifer::waypoint
