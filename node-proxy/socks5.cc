#include "node-proxy/socks5.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/ascii.h"

namespace aquifer::node {
namespace {

constexpr std::uint8_t kVersion = 5;
constexpr std::uint8_t kNoAuthentication = 0;
constexpr std::uint8_t kNoMethod = 0xff;
constexpr std::uint8_t kConnect = 1;
constexpr std::uint8_t kIpv4 = 1;
constexpr std::uint8_t kDomain = 3;
constexpr std::uint8_t kIpv6 = 4;

enum class Code : std::uint8_t {
  kDone = 0,
  kFailure = 1,
  kNotAllowed = 2,
  kNetworkUnreachable = 3,
  kHostUnreachable = 4,
  kRefused = 5,
  kNoSuchCommand = 7,
  kNoSuchAddress = 8,
};

std::string ReplyOf(Code code) {
  std::string reply;
  ByteWriter writer(reply);
  writer.U8(kVersion);
  writer.U8(static_cast<std::uint8_t>(code));
  writer.U8(0);
  writer.U8(kIpv4);
  writer.U32(0);
  writer.U16(0);
  return reply;
}

std::string MethodReply(std::uint8_t method) {
  return {static_cast<char>(kVersion), static_cast<char>(method)};
}

Code CodeOf(const Error& error) {
  switch (error.reason) {
    case Reason::kConnectRefused:
      return Code::kRefused;
    case Reason::kPolicyDenied:
    case Reason::kConnectRejected:
    case Reason::kUnknownWaypoint:
    case Reason::kUnreadableResource:
    case Reason::kIdentityMismatch:
    case Reason::kLoop:
      return Code::kNotAllowed;
    case Reason::kConnectTimeout:
    case Reason::kTimeout:
    case Reason::kNotFound:
    case Reason::kNoHealthyUpstream:
      return Code::kHostUnreachable;
    case Reason::kUnsupported:
      return Code::kNetworkUnreachable;
    default:
      if (error.os_error == ENETUNREACH) return Code::kNetworkUnreachable;
      return error.os_error == EHOSTUNREACH ? Code::kHostUnreachable : Code::kFailure;
  }
}

}  // namespace

std::string Socks5Reply(const Status& outcome) {
  return ReplyOf(outcome.ok() ? Code::kDone : CodeOf(outcome.error()));
}

Socks5Parser::Step Socks5Parser::Next(Bytes& input) {
  switch (awaiting_) {
    case Awaiting::kMethods:
      return Methods(input);
    case Awaiting::kRequest:
      return Request(input);
    case Awaiting::kNothing:
      break;
  }
  return Step::kMore;
}

// Moves bytes of the message into the buffer until it has `wanted` of them.
bool Socks5Parser::Have(std::size_t wanted, Bytes& input) {
  if (buffer_.size() < wanted) {
    const std::size_t taken = std::min(wanted - buffer_.size(), input.size());
    buffer_.append(AsText(input.first(taken)));
    input = input.subspan(taken);
  }
  return buffer_.size() >= wanted;
}

Socks5Parser::Step Socks5Parser::Methods(Bytes& input) {
  if (!Have(1, input)) return Step::kMore;
  // Of another protocol, whose answers we do not know.
  if (At(0) != kVersion) return Refuse("the client does not speak SOCKS 5", {});
  if (!Have(2, input) || !Have(std::size_t{2} + At(1), input)) return Step::kMore;
  const std::string methods = buffer_.substr(2);
  buffer_.clear();
  if (methods.find(static_cast<char>(kNoAuthentication)) == std::string::npos)
    return Refuse("the client offers no method without authentication", MethodReply(kNoMethod));
  answer_ = MethodReply(kNoAuthentication);
  awaiting_ = Awaiting::kRequest;
  return Step::kGreeted;
}

Socks5Parser::Step Socks5Parser::Request(Bytes& input) {
  if (!Have(1, input)) return Step::kMore;
  if (At(0) != kVersion)
    return Refuse("the request is not one of SOCKS 5", ReplyOf(Code::kFailure));
  if (!Have(4, input)) return Step::kMore;
  const std::uint8_t type = At(3);
  std::size_t head = 4;
  std::size_t length = 0;
  if (type == kIpv4) {
    length = 4;
  } else if (type == kIpv6) {
    length = 16;
  } else if (type == kDomain) {
    if (!Have(head + 1, input)) return Step::kMore;
    length = At(head++);
  } else {
    return Refuse("the address is of no known type", ReplyOf(Code::kNoSuchAddress));
  }
  if (!Have(head + length + 2, input)) return Step::kMore;
  if (At(1) != kConnect) return Refuse("the command is not CONNECT", ReplyOf(Code::kNoSuchCommand));
  const auto port = static_cast<std::uint16_t>(At(head + length) << 8 | At(head + length + 1));
  return TakeDestination(type, std::string_view(buffer_).substr(head, length), port);
}

Socks5Parser::Step Socks5Parser::TakeDestination(std::uint8_t type, std::string_view host,
                                                 std::uint16_t port) {
  if (port == 0) return Refuse("the port is 0", ReplyOf(Code::kFailure));
  const std::optional<Ip> ip = type == kDomain ? Ip::Parse(host) : Ip::FromBytes(host);
  if (ip) {
    destination_ = Address{*ip, port};
  } else {
    Socks5Name name{absl::AsciiStrToLower(host), port};
    if (name.host.ends_with('.')) name.host.pop_back();
    const bool fits = !name.host.empty() && name.host.front() != '.' &&
                      std::all_of(name.host.begin(), name.host.end(), [](char c) {
                        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                               c == '.' || c == '_';
                      });
    if (!fits) return Refuse("the domain is no host name", ReplyOf(Code::kFailure));
    destination_ = std::move(name);
  }
  buffer_.clear();
  awaiting_ = Awaiting::kNothing;
  return Step::kAsked;
}

Socks5Parser::Step Socks5Parser::Refuse(std::string_view why, std::string answer) {
  refusal_ = why;
  answer_ = std::move(answer);
  buffer_.clear();
  awaiting_ = Awaiting::kNothing;
  return Step::kRefused;
}

}  // namespace aquifer::node
