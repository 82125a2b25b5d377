#include "core/http/message.h"

#include <llhttp.h>

#include <algorithm>
#include <array>
#include <vector>

#include "core/base/address.h"

namespace aquifer::http {
namespace {

bool IsAlnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// reg-name of RFC 3986 section 3.2.2, with the underscore that host names of the field do have (it
// is unreserved anyway).
bool IsRegName(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return IsAlnum(c) || std::string_view("-._~%!$&'()*+,;=").find(c) != std::string_view::npos;
  });
}

bool IsPort(std::string_view text) {
  return text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

#define AQ_METHOD_NAME(number, name, text) #text,
constexpr std::string_view kMethods[] = {HTTP_METHOD_MAP(AQ_METHOD_NAME)};
#undef AQ_METHOD_NAME

constexpr std::array<std::string_view, 7> kHopByHop = {
    "connection", "keep-alive",        "proxy-connection", "te",
    "upgrade",    "transfer-encoding", "http2-settings"};

// A Connection field with more names than this is no honest one; each name costs a walk over the
// list.
constexpr std::size_t kMaxNamed = 32;

constexpr std::array<std::string_view, 17> kForbiddenTrailers = {"authorization",
                                                                 "cache-control",
                                                                 "connection",
                                                                 "content-encoding",
                                                                 "content-length",
                                                                 "content-range",
                                                                 "content-type",
                                                                 "expect",
                                                                 "host",
                                                                 "max-forwards",
                                                                 "te",
                                                                 "trailer",
                                                                 "set-cookie",
                                                                 "cookie",
                                                                 "transfer-encoding",
                                                                 "proxy-authenticate",
                                                                 "upgrade"};

struct Phrase {
  int status;
  std::string_view text;
};

constexpr std::array<Phrase, 48> kPhrases = {{
    {100, "Continue"},
    {101, "Switching Protocols"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {418, "I'm a teapot"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
}};

}  // namespace

bool IsMethod(std::string_view text) {
  return std::find(std::begin(kMethods), std::end(kMethods), text) != std::end(kMethods);
}

bool IsAuthority(std::string_view text) {
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return false;
    const std::optional<Ip> ip = Ip::Parse(text.substr(1, close - 1));
    if (!ip || text.substr(1, close - 1).find(':') == std::string_view::npos) return false;
    const std::string_view rest = text.substr(close + 1);
    return rest.empty() || (rest.starts_with(':') && IsPort(rest.substr(1)));
  }
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos && !IsPort(text.substr(colon + 1))) return false;
  return IsRegName(text.substr(0, colon));
}

bool IsRequestTarget(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
}

void RemoveHopByHop(HeaderList& headers) {
  const bool trailers = headers.HasToken("te", "trailers");
  std::vector<std::string> named;
  for (const HeaderField field : headers) {
    if (field.name != "connection") continue;
    for (std::string_view rest = field.value; !rest.empty();) {
      const std::size_t comma = rest.find(',');
      const std::string_view token = TrimBlanks(rest.substr(0, comma));
      if (IsToken(token) && named.size() < kMaxNamed) named.emplace_back(token);
      rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    }
  }
  for (const std::string& name : named) headers.Remove(name);
  for (const std::string_view name : kHopByHop) headers.Remove(name);
  if (trailers) headers.Add("te", "trailers");
}

bool IsForbiddenTrailer(std::string_view lower_case_name) {
  return std::find(kForbiddenTrailers.begin(), kForbiddenTrailers.end(), lower_case_name) !=
         kForbiddenTrailers.end();
}

std::string_view ReasonPhrase(int status) {
  const auto* const found = std::lower_bound(kPhrases.begin(), kPhrases.end(), status,
                                             [](const Phrase& p, int s) { return p.status < s; });
  return found != kPhrases.end() && found->status == status ? found->text : std::string_view();
}

bool IsBodiless(std::string_view request_method, int status) {
  if (request_method == "HEAD" || status / 100 == 1 || status == 204 || status == 304) return true;
  return request_method == "CONNECT" && status / 100 == 2;
}

}  // namespace aquifer::http
