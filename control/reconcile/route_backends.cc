#include "control/reconcile/route_backends.h"

#include <algorithm>
#include <utility>

namespace aquifer::control {
namespace {

namespace pb = mesh::v1;

struct Problem {
  std::string reason;
  std::string message;
};

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
      : route_(route), index_(index), grants_(grants) {}

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

  Condition ResolvedRefs() const {
    if (!first_problem_) return {"ResolvedRefs", true, "ResolvedRefs", ""};
    return {"ResolvedRefs", false, first_problem_->reason, first_problem_->message};
  }

 private:
  std::string Note(Problem problem) {
    std::string message = problem.message;
    if (!first_problem_) first_problem_ = std::move(problem);
    return message;
  }

  void WriteBackend(const HttpBackendRef& backend, pb::HttpBackend& out) {
    out.set_weight(backend.weight);
    ResolveObject(backend.object, out);
    for (const HttpFilter& filter : backend.filters) WriteFilter(filter, *out.add_filters());
  }

  void ResolveObject(const ObjectRef& object, pb::HttpBackend& out) {
    if (auto problem = Judge(object)) {
      out.set_invalid(Note(*std::move(problem)));
      return;
    }
    const std::string& space = NamespaceOf(object);
    out.mutable_service()->set_namespace_(space);
    out.mutable_service()->set_hostname(index_.HostnameOf(space, object.name));
    out.mutable_service()->set_port(object.port);
  }

  const std::string& NamespaceOf(const ObjectRef& object) const {
    return object.namespace_name.empty() ? route_.meta.namespace_name : object.namespace_name;
  }

  // Permission comes before existence, so that nothing about foreign namespaces leaks.
  std::optional<Problem> Judge(const ObjectRef& object) const {
    const std::string& space = NamespaceOf(object);
    const std::string name = object.kind + " " + space + "/" + object.name;
    if (!object.group.empty() || object.kind != "Service") {
      return Problem{"InvalidKind", "backends of kind " + object.kind + " are not known"};
    }
    if (grants_ == Grants::kRequired && space != route_.meta.namespace_name &&
        !Granted(space, object.name)) {
      return Problem{"RefNotPermitted",
                     "no ReferenceGrant in namespace " + space + " permits " + name};
    }
    const Service* service = FindObject(index_.objects().services, space, object.name);
    if (service == nullptr) return Problem{"BackendNotFound", name + " does not exist"};
    if (service->type == Service::Type::kExternalName) {
      return Problem{"UnsupportedProtocol", name + " is of type ExternalName"};
    }
    const bool has_port =
        std::any_of(service->ports.begin(), service->ports.end(),
                    [&](const ServicePort& port) { return port.tcp && port.port == object.port; });
    if (!has_port)
      return Problem{"BackendNotFound", name + " has no port " + std::to_string(object.port)};
    return std::nullopt;
  }

  bool Granted(const std::string& target_namespace, const std::string& service) const {
    const auto& grants = index_.objects().reference_grants;
    for (auto at = grants.lower_bound({target_namespace, ""});
         at != grants.end() && at->first.first == target_namespace; ++at) {
      const ReferenceGrant& grant = at->second;
      const bool from =
          std::any_of(grant.from.begin(), grant.from.end(), [&](const ReferenceGrant::From& f) {
            return f.group == kGatewayGroup && f.kind == "HTTPRoute" &&
                   f.namespace_name == route_.meta.namespace_name;
          });
      const bool to =
          std::any_of(grant.to.begin(), grant.to.end(), [&](const ReferenceGrant::To& t) {
            return t.group.empty() && t.kind == "Service" && (t.name.empty() || t.name == service);
          });
      if (from && to) return true;
    }
    return false;
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

  const HttpRoute& route_;
  const MeshIndex& index_;
  const Grants grants_;
  std::optional<Problem> first_problem_;
};

}  // namespace

Condition AddRules(const HttpRoute& route, const MeshIndex& index, Grants grants,
                   pb::HttpRoute& message) {
  RuleWriter writer(route, index, grants);
  for (const HttpRule& rule : route.rules) writer.Write(rule, *message.add_rules());
  return writer.ResolvedRefs();
}

}  // namespace aquifer::control
