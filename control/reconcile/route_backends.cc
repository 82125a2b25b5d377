#include "control/reconcile/route_backends.h"

namespace aquifer::control {
namespace {

namespace pb = mesh::v1;

pb::MatchType TypeOf(MatchType type) {
  switch (type) {
    case MatchType::kExact:
      return pb::MATCH_TYPE_EXACT;
    case MatchType::kPrefix:
      return pb::MATCH_TYPE_PREFIX;
    case MatchType::kRegularExpression:
      return pb::MATCH_TYPE_REGULAR_EXPRESSION;
  }
  return pb::MATCH_TYPE_UNSPECIFIED;
}

void AddMatch(const HttpMatch& match, pb::HttpRouteRule& rule) {
  pb::HttpRouteMatch& out = *rule.add_matches();
  out.mutable_path()->set_type(TypeOf(match.path_type));
  out.mutable_path()->set_value(match.path);
  const auto add = [](const ValueMatch& value, pb::ValueMatch& to) {
    to.set_name(value.name);
    to.set_type(TypeOf(value.type));
    to.set_value(value.value);
  };
  for (const ValueMatch& header : match.headers) add(header, *out.add_headers());
  for (const ValueMatch& param : match.query_params) add(param, *out.add_query_params());
  out.set_method(match.method);
}

class RuleWriter {
 public:
  RuleWriter(const HttpRoute& route, const MeshIndex& index, Grants grants)
      : refs_("HTTPRoute", route.meta.namespace_name, index, grants) {}

  void Write(const HttpRule& rule, pb::HttpRouteRule& out) {
    out.set_name(rule.name);
    for (const HttpMatch& match : rule.matches) AddMatch(match, out);
    for (const HttpFilter& filter : rule.filters) WriteFilter(filter, *out.add_filters());
    for (const HttpBackendRef& backend : rule.backends) WriteBackend(backend, *out.add_backends());
    if (rule.request_timeout_ms != 0 || rule.backend_timeout_ms != 0) {
      out.mutable_timeouts()->set_request_ms(rule.request_timeout_ms);
      out.mutable_timeouts()->set_backend_request_ms(rule.backend_timeout_ms);
    }
    if (!rule.retry) return;
    out.mutable_retry()->set_attempts(rule.retry->attempts);
    for (const std::uint32_t code : rule.retry->codes) out.mutable_retry()->add_codes(code);
    out.mutable_retry()->set_backoff_ms(rule.retry->backoff_ms);
  }

  Condition ResolvedRefs() const { return refs_.ResolvedRefs(); }

 private:
  void WriteBackend(const HttpBackendRef& backend, pb::HttpBackend& out) {
    out.set_weight(backend.weight);
    ResolveObject(backend.object, out);
    for (const HttpFilter& filter : backend.filters) WriteFilter(filter, *out.add_filters());
  }

  void ResolveObject(const ObjectRef& object, pb::HttpBackend& out) {
    if (const Service* service = refs_.Resolve(object, Transport::kTcp, *out.mutable_invalid())) {
      refs_.Write(*service, object.port, *out.mutable_service());
    }
  }

  void WriteFilter(const HttpFilter& filter, pb::HttpRouteFilter& out) {
    std::visit([&](const auto& value) { Write(value, out); }, filter);
  }

  static void Write(const HeaderModifier& modifier, pb::HttpRouteFilter& out) {
    pb::HeaderModifier& to = modifier.of_response ? *out.mutable_response_header_modifier()
                                                  : *out.mutable_request_header_modifier();
    const auto add = [](const HeaderValue& header, pb::HeaderValue& value) {
      value.set_name(header.name);
      value.set_value(header.value);
    };
    for (const HeaderValue& header : modifier.set) add(header, *to.add_set());
    for (const HeaderValue& header : modifier.add) add(header, *to.add_add());
    for (const std::string& name : modifier.remove) to.add_remove(name);
  }

  static void Write(const RequestRedirect& redirect, pb::HttpRouteFilter& out) {
    pb::RequestRedirect& to = *out.mutable_request_redirect();
    to.set_scheme(redirect.scheme);
    to.set_hostname(redirect.hostname);
    to.set_port(redirect.port);
    to.set_status_code(redirect.status_code);
    if (redirect.path) Write(*redirect.path, *to.mutable_path());
  }

  static void Write(const UrlRewrite& rewrite, pb::HttpRouteFilter& out) {
    pb::UrlRewrite& to = *out.mutable_url_rewrite();
    to.set_hostname(rewrite.hostname);
    if (rewrite.path) Write(*rewrite.path, *to.mutable_path());
  }

  static void Write(const PathModifier& path, pb::PathModifier& to) {
    if (path.prefix) {
      to.set_replace_prefix_match(path.value);
    } else {
      to.set_replace_full_path(path.value);
    }
  }

  void Write(const RequestMirror& mirror, pb::HttpRouteFilter& out) {
    pb::RequestMirror& to = *out.mutable_request_mirror();
    to.set_numerator(mirror.numerator);
    to.set_denominator(mirror.denominator);
    to.mutable_backend()->set_weight(1);
    ResolveObject(mirror.backend, *to.mutable_backend());
  }

  static void Write(const Cors& cors, pb::HttpRouteFilter& out) {
    pb::Cors& to = *out.mutable_cors();
    for (const std::string& value : cors.allow_origins) to.add_allow_origins(value);
    for (const std::string& value : cors.allow_methods) to.add_allow_methods(value);
    for (const std::string& value : cors.allow_headers) to.add_allow_headers(value);
    for (const std::string& value : cors.expose_headers) to.add_expose_headers(value);
    to.set_allow_credentials(cors.allow_credentials);
    to.set_max_age_seconds(cors.max_age_seconds);
  }

  static void Write(const UnusableFilter& filter, pb::HttpRouteFilter& out) {
    out.set_invalid(filter.why);
  }

  BackendRefs refs_;
};

}  // namespace

Condition AddRules(const HttpRoute& route, const MeshIndex& index, Grants grants,
                   pb::HttpRoute& message) {
  RuleWriter writer(route, index, grants);
  for (const HttpRule& rule : route.rules) writer.Write(rule, *message.add_rules());
  return writer.ResolvedRefs();
}

}  // namespace aquifer::control
