#include "waypoint/decode_filters.h"

#include <array>

#include "core/http/header.h"
#include "core/http/message.h"
#include "mesh/proto/waypoint.pb.h"
#include "waypoint/field_check.h"

namespace aquifer::waypoint {
namespace {

constexpr int kMaxFilters = 32;
constexpr int kMaxHeaders = 64;
constexpr int kMaxCorsEntries = 64;
constexpr size_t kMaxMirrors = 8;

// Fields that say where a request goes or how it is framed; changing them is another filter's or
// nobody's business.
bool IsReservedHeader(const std::string& lower) {
  constexpr std::array<std::string_view, 7> kReserved = {
      "connection", "keep-alive", "transfer-encoding", "content-length", "upgrade",
      "te",         "trailer"};
  for (const std::string_view name : kReserved) {
    if (lower == name) return true;
  }
  return false;
}

Decoded<std::string> DecodeHeaderName(const std::string& name, const std::string& field) {
  AQ_TRY_STATUS(CheckHeaderName(name, field));
  std::string lower = LowerCase(name);
  if (IsReservedHeader(lower)) return Refusal{field, lower + " cannot be changed by a filter"};
  return lower;
}

using HeaderValues = google::protobuf::RepeatedPtrField<mesh::v1::HeaderValue>;

Check DecodeHeaderValues(const HeaderValues& messages, const std::string& field,
                         std::vector<std::pair<std::string, std::string>>& out) {
  AQ_TRY_STATUS(CheckCount(messages.size(), kMaxHeaders, field));
  for (int i = 0; i < messages.size(); ++i) {
    AQ_TRY(std::string name, DecodeHeaderName(messages[i].name(), At(field, i) + ".name"));
    AQ_TRY_STATUS(CheckText(messages[i].value(), At(field, i) + ".value"));
    out.emplace_back(std::move(name), messages[i].value());
  }
  return {};
}

Check DecodeHeaderModifier(const mesh::v1::HeaderModifier& message, const std::string& field,
                           HeaderModifier& out) {
  AQ_TRY_STATUS(DecodeHeaderValues(message.set(), field + ".set", out.set));
  AQ_TRY_STATUS(DecodeHeaderValues(message.add(), field + ".add", out.add));
  AQ_TRY_STATUS(CheckCount(message.remove_size(), kMaxHeaders, field + ".remove"));
  for (int i = 0; i < message.remove_size(); ++i) {
    AQ_TRY(std::string name, DecodeHeaderName(message.remove(i), At(field + ".remove", i)));
    out.remove.push_back(std::move(name));
  }
  return {};
}

// What may be put into a request line or a Location: no second way to write a query or a line end.
Check CheckPathValue(const std::string& value, const std::string& field) {
  AQ_TRY_STATUS(CheckText(value, field));
  if (!value.empty() && (!http::IsRequestTarget(value) || value.find('?') != value.npos)) {
    return Refusal{field, "holds a character that cannot stand in a path"};
  }
  return {};
}

Decoded<PathModifier> DecodePathModifier(const mesh::v1::PathModifier& message,
                                         const std::string& field) {
  if (message.has_replace_full_path()) {
    AQ_TRY_STATUS(CheckPathValue(message.replace_full_path(), field + ".replace_full_path"));
    return PathModifier{PathModifier::Type::kReplaceFullPath, message.replace_full_path()};
  }
  if (message.has_replace_prefix_match()) {
    AQ_TRY_STATUS(CheckPathValue(message.replace_prefix_match(), field + ".replace_prefix_match"));
    return PathModifier{PathModifier::Type::kReplacePrefixMatch, message.replace_prefix_match()};
  }
  return Refusal{field, "neither replace_full_path nor replace_prefix_match"};
}

Decoded<RequestRedirect> DecodeRedirect(const mesh::v1::RequestRedirect& message,
                                        const std::string& field) {
  RequestRedirect redirect;
  redirect.scheme = LowerCase(message.scheme());
  if (!redirect.scheme.empty() && redirect.scheme != "http" && redirect.scheme != "https") {
    return Refusal{field + ".scheme", "is neither http nor https"};
  }
  if (!message.hostname().empty()) {
    AQ_TRY_STATUS(CheckHostname(message.hostname(), field + ".hostname"));
    redirect.hostname = message.hostname();
  }
  if (message.has_path()) {
    AQ_TRY(redirect.path, DecodePathModifier(message.path(), field + ".path"));
  }
  if (message.port() > 65535) return Refusal{field + ".port", "is not a port"};
  redirect.port = static_cast<std::uint16_t>(message.port());
  switch (message.status_code()) {
    case 0:
      break;
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
      redirect.status_code = static_cast<std::uint16_t>(message.status_code());
      break;
    default:
      return Refusal{field + ".status_code", "is none of 301, 302, 303, 307, 308"};
  }
  return redirect;
}

Decoded<UrlRewrite> DecodeRewrite(const mesh::v1::UrlRewrite& message, const std::string& field) {
  UrlRewrite rewrite;
  if (!message.hostname().empty()) {
    AQ_TRY_STATUS(CheckHostname(message.hostname(), field + ".hostname"));
    rewrite.hostname = message.hostname();
  }
  if (message.has_path()) {
    AQ_TRY(rewrite.path, DecodePathModifier(message.path(), field + ".path"));
  }
  return rewrite;
}

Decoded<RequestMirror> DecodeMirror(const mesh::v1::RequestMirror& message,
                                    const std::string& field) {
  RequestMirror mirror;
  const bool all = message.denominator() == 0 && message.numerator() == 0;
  if (!all && (message.denominator() == 0 || message.numerator() > message.denominator())) {
    return Refusal{field + ".denominator", "is not a share of the requests"};
  }
  if (!all) {
    mirror.numerator = message.numerator();
    mirror.denominator = message.denominator();
  }
  // The controller reports a missing mirror target in the route's status; nothing is mirrored then.
  if (!message.backend().invalid().empty()) mirror.numerator = 0;
  if (mirror.numerator == 0) return mirror;
  AQ_TRY(mirror.service, DecodeServiceRef(message.backend().service(), PortRequired::kYes,
                                          field + ".backend.service"));
  return mirror;
}

Check CopyTexts(const google::protobuf::RepeatedPtrField<std::string>& messages,
                const std::string& field, std::vector<std::string>& out) {
  AQ_TRY_STATUS(CheckCount(messages.size(), kMaxCorsEntries, field));
  for (int i = 0; i < messages.size(); ++i) {
    AQ_TRY_STATUS(CheckText(messages[i], At(field, i)));
    out.push_back(messages[i]);
  }
  return {};
}

Decoded<Cors> DecodeCors(const mesh::v1::Cors& message, const std::string& field) {
  Cors cors;
  AQ_TRY_STATUS(CopyTexts(message.allow_origins(), field + ".allow_origins", cors.allow_origins));
  AQ_TRY_STATUS(CopyTexts(message.allow_methods(), field + ".allow_methods", cors.allow_methods));
  AQ_TRY_STATUS(CopyTexts(message.allow_headers(), field + ".allow_headers", cors.allow_headers));
  AQ_TRY_STATUS(
      CopyTexts(message.expose_headers(), field + ".expose_headers", cors.expose_headers));
  cors.allow_credentials = message.allow_credentials();
  if (message.max_age_seconds() != 0) cors.max_age_seconds = message.max_age_seconds();
  return cors;
}

Check DecodeFilter(const mesh::v1::HttpRouteFilter& message, const std::string& field,
                   Filters& out) {
  using Case = mesh::v1::HttpRouteFilter::FilterCase;
  switch (message.filter_case()) {
    case Case::kRequestHeaderModifier:
      return DecodeHeaderModifier(message.request_header_modifier(),
                                  field + ".request_header_modifier", out.request_headers);
    case Case::kResponseHeaderModifier:
      return DecodeHeaderModifier(message.response_header_modifier(),
                                  field + ".response_header_modifier", out.response_headers);
    case Case::kRequestRedirect: {
      AQ_TRY(out.redirect, DecodeRedirect(message.request_redirect(), field + ".request_redirect"));
      return {};
    }
    case Case::kUrlRewrite: {
      AQ_TRY(out.rewrite, DecodeRewrite(message.url_rewrite(), field + ".url_rewrite"));
      return {};
    }
    case Case::kRequestMirror: {
      AQ_TRY(RequestMirror mirror,
             DecodeMirror(message.request_mirror(), field + ".request_mirror"));
      if (mirror.numerator > 0 && out.mirrors.size() < kMaxMirrors) {
        out.mirrors.push_back(std::move(mirror));
      }
      return {};
    }
    case Case::kCors: {
      AQ_TRY(out.cors, DecodeCors(message.cors(), field + ".cors"));
      return {};
    }
    case Case::kInvalid:
      return Refusal{field, "unusable filter: " + message.invalid().substr(0, 256)};
    case Case::FILTER_NOT_SET:
      break;
  }
  return Refusal{field, "a filter of unknown type"};
}

// Empty if the filters go together.
std::string Conflict(const Filters& filters, FilterPlace place) {
  if (filters.redirect && filters.rewrite) return "a redirect and a rewrite in one rule";
  if (place == FilterPlace::kRule) return "";
  if (filters.redirect) return "a redirect on a backend";
  if (filters.cors) return "cors on a backend";
  return "";
}

}  // namespace

Filters DecodeFilters(const google::protobuf::RepeatedPtrField<mesh::v1::HttpRouteFilter>& messages,
                      FilterPlace place, const std::string& field) {
  Filters filters;
  Check check = CheckCount(messages.size(), kMaxFilters, field);
  for (int i = 0; check.ok() && i < messages.size(); ++i) {
    check = DecodeFilter(messages[i], At(field, i), filters);
  }
  if (!check.ok()) {
    filters.invalid = check.error().ToString();
  } else if (std::string conflict = Conflict(filters, place); !conflict.empty()) {
    filters.invalid = field + ": " + conflict;
  }
  return filters;
}

Decoded<ServiceRef> DecodeServiceRef(const mesh::v1::ServiceRef& message, PortRequired required,
                                     const std::string& field) {
  AQ_TRY_STATUS(CheckName(message.namespace_(), field + ".namespace"));
  AQ_TRY_STATUS(CheckHostname(message.hostname(), field + ".hostname"));
  const bool missing = message.port() == 0 && required == PortRequired::kYes;
  if (missing || message.port() > 65535) return Refusal{field + ".port", "is not a port"};
  return ServiceRef{message.namespace_(), LowerCase(message.hostname()),
                    static_cast<std::uint16_t>(message.port())};
}

}  // namespace aquifer::waypoint
