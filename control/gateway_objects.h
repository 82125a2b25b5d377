// The objects of the Gateway API as plain values. Optional enumerations of the API carry their
// defaults already; what a route asks for and we cannot do is kept as a sentence, so that its
// status can say so.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "control/objects.h"

namespace aquifer::control {

inline constexpr std::string_view kGatewayGroup = "gateway.networking.k8s.io";
inline constexpr std::string_view kEntryGroup = "networking.istio.io";  // of ServiceEntry

// An object named from elsewhere. An empty namespace stands for that of the object that names it;
// an empty group is the core one.
struct ObjectRef {
  std::string group;
  std::string kind;
  std::string namespace_name;
  std::string name;
  std::uint16_t port = 0;  // 0: not given
};

struct GatewayClass {
  Meta meta;
  std::string controller_name;
  std::optional<ObjectRef> parameters;  // spec.parametersRef
};

struct Listener {
  enum class From : std::uint8_t { kSame, kAll, kSelector, kNone };
  struct RouteKind {
    std::string group;
    std::string kind;
  };

  std::string name;
  std::string hostname;
  std::uint16_t port = 0;
  std::string protocol;  // as written: "HTTP", "HBONE"
  bool tls_passthrough = false;
  From from = From::kSame;
  LabelSelector namespaces;
  std::vector<RouteKind> kinds;  // none: those of the protocol
};

struct GatewayAddressSpec {
  std::string type;  // "IPAddress", "Hostname" or a name with a domain
  std::string value;
};

// spec.infrastructure: what is said of the objects that a Gateway is deployed as.
struct GatewayInfrastructure {
  Labels labels;
  Labels annotations;
  std::optional<ObjectRef> parameters;
};

struct Gateway {
  Meta meta;  // with all annotations but kubectl's: a deployment carries them too
  std::string class_name;
  std::vector<Listener> listeners;
  std::vector<GatewayAddressSpec> addresses;
  GatewayInfrastructure infrastructure;
};

struct ParentRef {
  std::string group;
  std::string kind;
  std::string namespace_name;
  std::string name;
  std::string section_name;
  std::uint16_t port = 0;
};

enum class MatchType : std::uint8_t { kExact, kPrefix, kRegularExpression };

struct ValueMatch {
  std::string name;
  MatchType type = MatchType::kExact;
  std::string value;
};

struct HttpMatch {
  MatchType path_type = MatchType::kPrefix;
  std::string path = "/";
  std::vector<ValueMatch> headers;
  std::vector<ValueMatch> query_params;
  std::string method;
};

struct HeaderValue {
  std::string name;
  std::string value;
};

struct HeaderModifier {
  bool of_response = false;
  std::vector<HeaderValue> set;
  std::vector<HeaderValue> add;
  std::vector<std::string> remove;
};

struct PathModifier {
  bool prefix = false;  // ReplacePrefixMatch, else ReplaceFullPath
  std::string value;
};

struct RequestRedirect {
  std::string scheme;
  std::string hostname;
  std::optional<PathModifier> path;
  std::uint16_t port = 0;
  std::uint16_t status_code = 302;
};

struct UrlRewrite {
  std::string hostname;
  std::optional<PathModifier> path;
};

struct RequestMirror {
  ObjectRef backend;
  std::uint32_t numerator = 100;
  std::uint32_t denominator = 100;
};

struct Cors {
  std::vector<std::string> allow_origins;
  std::vector<std::string> allow_methods;
  std::vector<std::string> allow_headers;
  std::vector<std::string> expose_headers;
  bool allow_credentials = false;
  std::uint32_t max_age_seconds = 5;
};

// A filter that nobody here can run, and why: requests of its rule must fail, never go on without
// it.
struct UnusableFilter {
  std::string why;
};

using HttpFilter =
    std::variant<HeaderModifier, RequestRedirect, UrlRewrite, RequestMirror, Cors, UnusableFilter>;

struct HttpBackendRef {
  ObjectRef object;
  std::uint32_t weight = 1;
  std::vector<HttpFilter> filters;
};

struct HttpRetry {
  std::uint32_t attempts = 1;
  std::vector<std::uint32_t> codes;
  std::uint64_t backoff_ms = 0;
};

struct HttpRule {
  std::string name;
  std::vector<HttpMatch> matches;  // never empty: the API's default is a prefix of "/"
  std::vector<HttpFilter> filters;
  std::vector<HttpBackendRef> backends;
  std::uint64_t request_timeout_ms = 0;
  std::uint64_t backend_timeout_ms = 0;
  std::optional<HttpRetry> retry;
};

struct HttpRoute {
  Meta meta;
  std::vector<ParentRef> parents;
  std::vector<std::string> hostnames;
  std::vector<HttpRule> rules;
  std::vector<std::string>
      unsupported;  // what it asks for and the data plane cannot do, as "<field>: <why>"
};

struct L4BackendRef {
  ObjectRef object;
  std::uint32_t weight = 1;
};

// What the routes of connections and datagrams have in common: nothing in their rules tells one
// from another, so that the first one takes everything.
struct L4Route {
  Meta meta;
  std::vector<ParentRef> parents;
  std::vector<std::string> hostnames;  // of a TLSRoute; none: every one
  std::vector<L4BackendRef> backends;
  bool has_more_rules = false;
};
struct TcpRoute : L4Route {};
struct TlsRoute : L4Route {};
struct UdpRoute : L4Route {};

struct ReferenceGrant {
  struct From {
    std::string group;
    std::string kind;
    std::string namespace_name;
  };
  struct To {
    std::string group;
    std::string kind;
    std::string name;  // empty: every one
  };
  Meta meta;
  std::vector<From> from;
  std::vector<To> to;
};

}  // namespace aquifer::control
