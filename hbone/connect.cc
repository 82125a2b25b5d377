#include "hbone/connect.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "core/http/header.h"

namespace aquifer::hbone {
namespace {

constexpr std::string_view kRefusalField = "x-aquifer-refusal";
constexpr std::size_t kMaxHostBytes = 253;  // RFC 1035 section 2.3.4, without the final dot
constexpr std::size_t kMaxFieldBytes =
    4096;  // of baggage and forwarded: far above what any workload needs
constexpr std::size_t kMaxRefusalBytes = 512;

bool IsHostName(std::string_view host) {
  if (host.empty() || host.size() > kMaxHostBytes || host.front() == '.' || host.back() == '.')
    return false;
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
           c == '*';
  };
  if (!std::all_of(host.begin(), host.end(), allowed) || host.find("..") != std::string_view::npos)
    return false;
  // A name of digits and dots alone is an address that was written wrong.
  return !std::all_of(host.begin(), host.end(),
                      [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

std::string_view Unquote(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    return text.substr(1, text.size() - 2);
  return text;
}

}  // namespace

std::optional<Authority> ParseAuthority(std::string_view text) {
  if (const std::optional<Address> address = Address::Parse(text)) return *address;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string host = absl::AsciiStrToLower(text.substr(0, colon));
  const std::optional<std::uint16_t> port = ParsePort(text.substr(colon + 1));
  if (!port || !IsHostName(host)) return std::nullopt;
  return HostPort{host, *port};
}

std::string ToString(const Authority& authority) {
  if (const auto* address = std::get_if<Address>(&authority)) return address->ToString();
  const auto& name = std::get<HostPort>(authority);
  return name.host + ":" + std::to_string(name.port);
}

http::RequestHead EncodeRequest(const ConnectRequest& request) {
  http::RequestHead head;
  head.method = "CONNECT";
  head.authority = ToString(request.authority);
  head.headers.Add("baggage", Encode(request.baggage));
  if (request.forwarded_for) {
    std::string forwarded = "for=\"" + request.forwarded_for->ToString() + "\"";
    if (!request.forwarded_host.empty()) forwarded += ";host=" + request.forwarded_host;
    head.headers.Add("forwarded", forwarded);
  }
  if (!request.traceparent.empty()) head.headers.Add("traceparent", request.traceparent);
  if (!request.forwarded_network.empty())
    head.headers.Add("x-forwarded-network", request.forwarded_network);
  return head;
}

Decoded<ConnectRequest> DecodeRequest(const http::RequestHead& head) {
  if (head.method != "CONNECT") return Refusal{":method", "is not CONNECT"};
  const std::optional<Authority> authority = ParseAuthority(head.authority);
  if (!authority) return Refusal{":authority", "is not ip:port, [ip]:port or hostname:port"};
  ConnectRequest request{.authority = *authority,
                         .baggage = {},
                         .forwarded_for = {},
                         .forwarded_host = {},
                         .traceparent = {},
                         .forwarded_network = {}};
  const std::string_view baggage = head.headers.Get("baggage").value_or("");
  if (baggage.size() > kMaxFieldBytes) return Refusal{"baggage", "is too long"};
  request.baggage = ParseBaggage(baggage);
  const std::string_view forwarded = head.headers.Get("forwarded").value_or("");
  if (forwarded.size() > kMaxFieldBytes) return Refusal{"forwarded", "is too long"};
  Forwarded parsed = ParseForwarded(forwarded);
  request.forwarded_for = parsed.for_address;
  request.forwarded_host = std::move(parsed.host);
  request.traceparent = head.headers.Get("traceparent").value_or("");
  request.forwarded_network = head.headers.Get("x-forwarded-network").value_or("");
  return request;
}

http::ResponseHead EncodeResponse(const ConnectResponse& response) {
  http::ResponseHead head;
  head.status = response.status;
  if (response.baggage) head.headers.Add("baggage", Encode(*response.baggage));
  if (!response.refusal.empty())
    head.headers.Add(kRefusalField, response.refusal.substr(0, kMaxRefusalBytes));
  return head;
}

Decoded<ConnectResponse> DecodeResponse(const http::ResponseHead& head) {
  if (head.status < 200 || head.status > 599) return Refusal{":status", "is not a final status"};
  ConnectResponse response;
  response.status = head.status;
  if (const std::optional<std::string_view> baggage = head.headers.Get("baggage");
      baggage && baggage->size() <= kMaxFieldBytes) {
    response.baggage = ParseBaggage(*baggage);
  }
  response.refusal = head.headers.Get(kRefusalField).value_or("").substr(0, kMaxRefusalBytes);
  return response;
}

Forwarded ParseForwarded(std::string_view value) {
  Forwarded forwarded;
  while (!value.empty()) {
    const std::size_t end = std::min(value.find(';'), value.size());
    const std::string_view pair = http::TrimBlanks(value.substr(0, end));
    value.remove_prefix(std::min(end + 1, value.size()));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = pair.substr(0, equals);
    const std::string_view content = Unquote(pair.substr(equals + 1));
    if (http::EqualsIgnoreCase(name, "for") && !forwarded.for_address)
      forwarded.for_address = Address::Parse(content);
    if (http::EqualsIgnoreCase(name, "host") && forwarded.host.empty() &&
        IsHostName(absl::AsciiStrToLower(content)))
      forwarded.host = absl::AsciiStrToLower(content);
  }
  return forwarded;
}

}  // namespace aquifer::hbone
