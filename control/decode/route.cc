// HTTPRoute. What the API server's own rules would refuse is refused here too; what is legal but
// beyond the data plane is noted in `unsupported`, so that the route is reported and not attached.
#include <algorithm>
#include <array>
#include <utility>

#include "control/decode/decode.h"
#include "control/decode/http_filter.h"
#include "control/decode/route_parts.h"
#include "control/kube/values.h"
#include "control/names.h"
#include "mesh/regex.h"

namespace aquifer::control {
namespace {

constexpr std::array<std::string_view, 9> kMethods = {
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};

std::optional<MatchType> TypeOf(std::string_view word) {
  if (word == "Exact") return MatchType::kExact;
  // "Prefix" is how the first alpha releases spelt it.
  if (word == "PathPrefix" || word == "Prefix") return MatchType::kPrefix;
  if (word == "RegularExpression") return MatchType::kRegularExpression;
  return std::nullopt;
}

using Unsupported = std::vector<std::string>;

void CheckRegex(Fields& fields, const std::string& pattern, Unsupported& unsupported) {
  const auto regex = mesh::CompileRegex(pattern);
  if (regex.ok()) return;
  if (regex.error().too_large) {
    unsupported.push_back(fields.PathOf("value") + ": " + regex.error().why);
  } else {
    fields.Refuse("value", PrintableText(regex.error().why));
  }
}

void ReadPathMatch(Fields& path, HttpMatch& match, Unsupported& unsupported) {
  if (!path.present()) return;
  const auto type = TypeOf(path.Text("type", "PathPrefix", 64));
  if (!type) path.Refuse("type", "is none of Exact, PathPrefix, RegularExpression");
  match.path_type = type.value_or(MatchType::kExact);
  match.path = path.Text("value", "/", 1024);
  path.RefuseOthers();
  if (match.path_type == MatchType::kRegularExpression) {
    return CheckRegex(path, match.path, unsupported);
  }
  if (!IsMatchablePath(match.path))
    path.Refuse("value", "is not an absolute path in its plain form");
}

ValueMatch ReadValueMatch(Fields& item, size_t max_value, Unsupported& unsupported) {
  ValueMatch match;
  match.name = item.RequiredText("name", 256);
  if (!match.name.empty() && !IsHttpToken(match.name)) item.Refuse("name", "is not a valid name");
  const auto type = TypeOf(item.Text("type", "Exact", 64));
  if (!type || *type == MatchType::kPrefix)
    item.Refuse("type", "is neither Exact nor RegularExpression");
  match.type = type.value_or(MatchType::kExact);
  match.value = item.RequiredText("value", max_value);
  item.RefuseOthers();
  if (match.type == MatchType::kRegularExpression) CheckRegex(item, match.value, unsupported);
  return match;
}

HttpMatch ReadMatch(Fields& fields, Unsupported& unsupported) {
  HttpMatch match;
  Fields path = fields.Object("path");
  ReadPathMatch(path, match, unsupported);
  fields.ForEach("headers", 16, [&](Fields& item) {
    ValueMatch header = ReadValueMatch(item, 4096, unsupported);
    header.name = LowerCase(header.name);
    // The API: of equivalent names only the first counts.
    const auto same = [&](const ValueMatch& other) { return other.name == header.name; };
    if (std::none_of(match.headers.begin(), match.headers.end(), same))
      match.headers.push_back(std::move(header));
  });
  fields.ForEach("queryParams", 16, [&](Fields& item) {
    ValueMatch param = ReadValueMatch(item, 1024, unsupported);
    const auto same = [&](const ValueMatch& other) { return other.name == param.name; };
    if (std::none_of(match.query_params.begin(), match.query_params.end(), same)) {
      match.query_params.push_back(std::move(param));
    }
  });
  match.method = fields.Text("method", "", 16);
  fields.RefuseOthers();
  if (!match.method.empty() &&
      std::find(kMethods.begin(), kMethods.end(), match.method) == kMethods.end()) {
    fields.Refuse("method", "is not an HTTP method in capitals");
  }
  return match;
}

std::uint64_t ReadDuration(Fields& fields, std::string_view key) {
  const auto text = fields.OptionalText(key, 64);
  if (!text) return 0;
  const auto duration = ParseDuration(*text);
  if (!duration) fields.Refuse(key, "is not a duration such as 1h30m or 500ms");
  return duration.value_or(0);
}

void ReadTimeouts(Fields& timeouts, HttpRule& rule) {
  rule.request_timeout_ms = ReadDuration(timeouts, "request");
  rule.backend_timeout_ms = ReadDuration(timeouts, "backendRequest");
  timeouts.RefuseOthers();
  if (rule.request_timeout_ms != 0 && rule.backend_timeout_ms > rule.request_timeout_ms) {
    timeouts.Refuse("backendRequest", "is longer than request");
  }
}

void ReadRetry(Fields& retry, HttpRule& rule) {
  if (!retry.present()) return;
  HttpRetry value;
  value.attempts = static_cast<std::uint32_t>(retry.Number("attempts", 1, 0, 100));
  const Json* codes = retry.Find("codes");
  if (codes != nullptr && (!codes->is_array() || codes->size() > 64))
    retry.Refuse("codes", "is not a short list of status codes");
  for (size_t i = 0; codes != nullptr && !retry.refused() && i < codes->size(); ++i) {
    const Json& code = (*codes)[i];
    if (!code.is_number_integer() || code < 400 || code > 599) {
      return retry.Refuse("codes[" + std::to_string(i) + "]", "must be from 400 to 599");
    }
    value.codes.push_back(code.get<std::uint32_t>());
  }
  value.backoff_ms = ReadDuration(retry, "backoff");
  retry.RefuseOthers();
  rule.retry = std::move(value);
}

HttpBackendRef ReadBackend(Fields& item) {
  HttpBackendRef backend;
  backend.object = ReadBackendObject(item);
  backend.weight = static_cast<std::uint32_t>(item.Number("weight", 1, 0, 1'000'000));
  item.ForEach("filters", 16,
               [&](Fields& filter) { backend.filters.push_back(ReadHttpFilter(filter)); });
  item.RefuseOthers();
  return backend;
}

template <class Filter>
const Filter* FindFilter(const HttpRule& rule) {
  for (const HttpFilter& filter : rule.filters) {
    if (const auto* found = std::get_if<Filter>(&filter)) return found;
  }
  return nullptr;
}

bool ReplacesPrefix(const HttpRule& rule) {
  const auto* redirect = FindFilter<RequestRedirect>(rule);
  const auto* rewrite = FindFilter<UrlRewrite>(rule);
  return (redirect != nullptr && redirect->path && redirect->path->prefix) ||
         (rewrite != nullptr && rewrite->path && rewrite->path->prefix);
}

// What only the whole rule shows.
void CheckRule(Fields& fields, const HttpRule& rule) {
  const bool redirects = FindFilter<RequestRedirect>(rule) != nullptr;
  if (redirects && FindFilter<UrlRewrite>(rule) != nullptr) {
    fields.Refuse("filters", "RequestRedirect and URLRewrite exclude each other");
  }
  if (redirects && !rule.backends.empty())
    fields.Refuse("backendRefs", "must be absent beside a RequestRedirect");
  const bool one_prefix =
      rule.matches.size() == 1 && rule.matches[0].path_type == MatchType::kPrefix;
  if (ReplacesPrefix(rule) && !one_prefix) {
    fields.Refuse("filters", "ReplacePrefixMatch needs exactly one match, of type PathPrefix");
  }
}

HttpRule ReadRule(Fields& fields, Unsupported& unsupported) {
  HttpRule rule;
  rule.name = fields.Text("name", "", kMaxNameText);
  fields.ForEach("matches", 64,
                 [&](Fields& item) { rule.matches.push_back(ReadMatch(item, unsupported)); });
  if (rule.matches.empty()) rule.matches.emplace_back();
  fields.ForEach("filters", 16,
                 [&](Fields& item) { rule.filters.push_back(ReadHttpFilter(item)); });
  fields.ForEach("backendRefs", 16,
                 [&](Fields& item) { rule.backends.push_back(ReadBackend(item)); });
  Fields timeouts = fields.Object("timeouts");
  ReadTimeouts(timeouts, rule);
  Fields retry = fields.Object("retry");
  ReadRetry(retry, rule);
  if (fields.Has("sessionPersistence")) {
    unsupported.push_back(fields.PathOf("sessionPersistence") +
                          ": session persistence is not available");
  }
  fields.RefuseOthers();
  CheckRule(fields, rule);
  return rule;
}

}  // namespace

Object DecodeHttpRoute(Fields& object, Meta meta) {
  HttpRoute route;
  route.meta = std::move(meta);
  Fields spec = object.Object("spec");
  route.parents = ReadParents(spec);
  route.hostnames = ReadHostnames(spec);
  spec.ForEach("rules", 64,
               [&](Fields& item) { route.rules.push_back(ReadRule(item, route.unsupported)); });
  if (route.rules.empty()) route.rules.push_back({"", {HttpMatch{}}, {}, {}, 0, 0, std::nullopt});
  spec.RefuseOthers();
  return route;
}

}  // namespace aquifer::control
