#include "control/decode/http_filter.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "control/decode/route_parts.h"
#include "control/kube/values.h"
#include "control/names.h"

namespace aquifer::control {
namespace {

struct FilterType {
  std::string_view word;
  std::string_view field;
};
constexpr std::array<FilterType, 8> kFilterTypes = {{
    {"RequestHeaderModifier", "requestHeaderModifier"},
    {"ResponseHeaderModifier", "responseHeaderModifier"},
    {"RequestRedirect", "requestRedirect"},
    {"URLRewrite", "urlRewrite"},
    {"RequestMirror", "requestMirror"},
    {"CORS", "cors"},
    {"ExtensionRef", "extensionRef"},
    {"ExternalAuth", "externalAuth"},
}};

HeaderValue ReadHeader(Fields& item, std::set<std::string>& names) {
  HeaderValue header{item.RequiredText("name", 256), item.Text("value", "", 4096)};
  item.RefuseOthers();
  if (!header.name.empty() && !IsHttpToken(header.name))
    item.Refuse("name", "is not a header name");
  if (!names.insert(LowerCase(header.name)).second) item.Refuse("name", "is there twice");
  return header;
}

HeaderModifier ReadHeaderModifier(Fields& fields, bool of_response) {
  HeaderModifier modifier;
  modifier.of_response = of_response;
  std::set<std::string> set, add;
  fields.ForEach("set", 16, [&](Fields& item) { modifier.set.push_back(ReadHeader(item, set)); });
  fields.ForEach("add", 16, [&](Fields& item) { modifier.add.push_back(ReadHeader(item, add)); });
  modifier.remove = fields.Texts("remove", 16, 256);
  for (size_t i = 0; i < modifier.remove.size(); ++i) {
    if (!IsHttpToken(modifier.remove[i]))
      fields.Refuse("remove[" + std::to_string(i) + "]", "is not a header name");
  }
  fields.RefuseOthers();
  return modifier;
}

std::optional<PathModifier> ReadPathModifier(Fields& path) {
  if (!path.present()) return std::nullopt;
  PathModifier modifier;
  modifier.prefix =
      path.Word("type", "", {"ReplaceFullPath", "ReplacePrefixMatch"}) == "ReplacePrefixMatch";
  const std::string_view field = modifier.prefix ? "replacePrefixMatch" : "replaceFullPath";
  const auto value = path.OptionalText(field, 1024);
  if (!value) path.Refuse(field, "is required");
  modifier.value = value.value_or("");
  path.RefuseOthers();
  const bool usable =
      std::none_of(modifier.value.begin(), modifier.value.end(), [](char c) { return c == ' '; });
  if (!usable) path.Refuse(field, "has a blank in it");
  return modifier;
}

std::string ReadPreciseHostname(Fields& fields) {
  std::string hostname = fields.Text("hostname", "", kMaxNameText);
  if (!hostname.empty() && (!IsHostname(hostname) || IsWildcard(hostname))) {
    fields.Refuse("hostname", "is not a host name without a wildcard");
  }
  return hostname;
}

RequestRedirect ReadRedirect(Fields& fields) {
  RequestRedirect redirect;
  if (fields.Has("scheme")) redirect.scheme = fields.Word("scheme", "", {"http", "https"});
  redirect.hostname = ReadPreciseHostname(fields);
  Fields path = fields.Object("path");
  redirect.path = ReadPathModifier(path);
  redirect.port = static_cast<std::uint16_t>(fields.Number("port", 0, 1, 65535));
  redirect.status_code = static_cast<std::uint16_t>(fields.Number("statusCode", 302, 300, 399));
  fields.RefuseOthers();
  static constexpr std::array<int, 5> kCodes = {301, 302, 303, 307, 308};
  if (std::find(kCodes.begin(), kCodes.end(), redirect.status_code) == kCodes.end()) {
    fields.Refuse("statusCode", "is none of 301, 302, 303, 307, 308");
  }
  return redirect;
}

UrlRewrite ReadRewrite(Fields& fields) {
  UrlRewrite rewrite;
  rewrite.hostname = ReadPreciseHostname(fields);
  Fields path = fields.Object("path");
  rewrite.path = ReadPathModifier(path);
  fields.RefuseOthers();
  return rewrite;
}

RequestMirror ReadMirror(Fields& fields) {
  RequestMirror mirror;
  Fields backend = fields.Object("backendRef");
  if (!backend.present()) fields.Refuse("backendRef", "is required");
  mirror.backend = ReadBackendObject(backend);
  backend.RefuseOthers();
  const auto percent = fields.OptionalNumber("percent", 0, 100);
  if (percent) mirror.numerator = static_cast<std::uint32_t>(*percent);
  Fields fraction = fields.Object("fraction");
  if (fraction.present()) {
    if (percent) fields.Refuse("fraction", "and percent exclude each other");
    mirror.denominator =
        static_cast<std::uint32_t>(fraction.Number("denominator", 100, 1, 1'000'000'000));
    mirror.numerator =
        static_cast<std::uint32_t>(fraction.RequiredNumber("numerator", 0, mirror.denominator));
    fraction.RefuseOthers();
  }
  fields.RefuseOthers();
  return mirror;
}

Cors ReadCors(Fields& fields) {
  Cors cors;
  cors.allow_origins = fields.Texts("allowOrigins", 64, 253);
  cors.allow_methods = fields.Texts("allowMethods", 9, 16);
  cors.allow_headers = fields.Texts("allowHeaders", 64, 256);
  cors.expose_headers = fields.Texts("exposeHeaders", 64, 256);
  cors.allow_credentials = fields.Flag("allowCredentials", false);
  cors.max_age_seconds = static_cast<std::uint32_t>(fields.Number("maxAge", 5, 1, 31'536'000));
  fields.RefuseOthers();
  return cors;
}

HttpFilter ReadConfig(std::string_view type, Fields& config) {
  if (type == "RequestHeaderModifier") return ReadHeaderModifier(config, false);
  if (type == "ResponseHeaderModifier") return ReadHeaderModifier(config, true);
  if (type == "RequestRedirect") return ReadRedirect(config);
  if (type == "URLRewrite") return ReadRewrite(config);
  if (type == "RequestMirror") return ReadMirror(config);
  if (type == "CORS") return ReadCors(config);
  return UnusableFilter{"filters of type " + std::string(type) + " are not available"};
}

}  // namespace

HttpFilter ReadHttpFilter(Fields& filter) {
  const std::string type = filter.RequiredText("type", 64);
  const auto known =
      std::find_if(kFilterTypes.begin(), kFilterTypes.end(),
                   [&](const FilterType& candidate) { return candidate.word == type; });
  if (known == kFilterTypes.end())
    return UnusableFilter{"unknown filter type " + PrintableText(type)};
  Fields config = filter.Object(known->field);
  if (!config.present()) filter.Refuse(known->field, "is required for type " + type);
  HttpFilter value = ReadConfig(type, config);
  filter.RefuseOthers();
  return value;
}

}  // namespace aquifer::control
