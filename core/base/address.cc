#include "core/base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "core/base/check.h"

namespace aquifer {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr size_t kLongestText = 45;  // the longest IPv6 text, with an embedded IPv4 tail

}  // namespace

Ip Ip::V4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
  Ip ip;
  ip.bytes_ = {a, b, c, d};
  return ip;
}

Ip Ip::Loopback6() {
  Ip ip;
  ip.length_ = 16;
  ip.bytes_[15] = 1;
  return ip;
}

Ip Ip::Any6() {
  Ip ip;
  ip.length_ = 16;
  return ip;
}

std::optional<Ip> Ip::Parse(std::string_view text) {
  if (text.empty() || text.size() > kLongestText) return std::nullopt;
  std::array<char, kLongestText + 1> terminated{};
  std::copy(text.begin(), text.end(), terminated.begin());
  if (std::memchr(terminated.data(), 0, text.size()) != nullptr) return std::nullopt;
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET, terminated.data(), bytes.data()) == 1) {
    return FromBytes(std::span<const std::uint8_t>(bytes.data(), 4));
  }
  if (inet_pton(AF_INET6, terminated.data(), bytes.data()) == 1) return FromBytes(bytes);
  return std::nullopt;
}

std::optional<Ip> Ip::FromBytes(std::span<const std::uint8_t> bytes) {
  if (bytes.size() == 16 && std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes.begin())) {
    bytes = bytes.subspan(12);
  }
  if (bytes.size() != 4 && bytes.size() != 16) return std::nullopt;
  Ip ip;
  ip.length_ = static_cast<std::uint8_t>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), ip.bytes_.begin());
  return ip;
}

std::optional<Ip> Ip::FromBytes(std::string_view bytes) {
  return FromBytes(std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
}

bool Ip::is_loopback() const {
  if (is_v4()) return bytes_[0] == 127;
  return *this == Loopback6();
}

bool Ip::is_any() const {
  return std::all_of(bytes_.begin(), bytes_.end(), [](std::uint8_t b) { return b == 0; });
}

std::string Ip::ByteString() const {
  return {reinterpret_cast<const char*>(bytes_.data()), length_};
}

std::string Ip::ToString() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  AQ_CHECK(inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), text.data(), text.size()) !=
           nullptr);
  return text.data();
}

std::optional<Address> Address::Parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const std::optional<Ip> ip = Ip::Parse(host);
  const std::optional<std::uint16_t> port = ParsePort(text.substr(colon + 1));
  if (!ip || !port) return std::nullopt;
  // Brackets go with colons: "10.0.0.1" never has them and "fd00::1" always does, so that the port
  // is never guessed.
  if ((host.find(':') != std::string_view::npos) != bracketed) return std::nullopt;
  return Address{*ip, *port};
}

std::optional<Address> Address::FromSockaddr(const sockaddr_storage& storage) {
  if (storage.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &storage, sizeof in);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&in.sin_addr);
    return Address{*Ip::FromBytes(std::span(bytes, 4)), ntohs(in.sin_port)};
  }
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &storage, sizeof in);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&in.sin6_addr);
    return Address{*Ip::FromBytes(std::span(bytes, 16)), ntohs(in.sin6_port)};
  }
  return std::nullopt;
}

socklen_t Address::ToSockaddr(sockaddr_storage& storage) const {
  std::memset(&storage, 0, sizeof storage);
  if (ip.is_v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, ip.bytes().data(), 4);
    std::memcpy(&storage, &in, sizeof in);
    return sizeof in;
  }
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  std::memcpy(&in.sin6_addr, ip.bytes().data(), 16);
  std::memcpy(&storage, &in, sizeof in);
  return sizeof in;
}

std::string Address::ToString() const {
  const std::string host = ip.ToString();
  return (ip.is_v4() ? host : "[" + host + "]") + ":" + std::to_string(port);
}

std::optional<Cidr> Cidr::Make(const Ip& ip, unsigned length) {
  const size_t bits = ip.bytes().size() * 8;
  if (length > bits) return std::nullopt;
  std::array<std::uint8_t, 16> masked{};
  for (size_t i = 0; i < ip.bytes().size(); ++i) {
    const int kept = std::clamp(static_cast<int>(length) - static_cast<int>(i * 8), 0, 8);
    masked[i] = static_cast<std::uint8_t>(ip.bytes()[i] & (0xff00 >> kept));
  }
  const std::optional<Ip> network =
      Ip::FromBytes(std::span<const std::uint8_t>(masked.data(), ip.bytes().size()));
  // Masking can turn an IPv6 prefix into the mapped form; such a prefix would no longer be of the
  // family that was written.
  if (!network || network->is_v4() != ip.is_v4()) return std::nullopt;
  Cidr cidr;
  cidr.ip_ = *network;
  cidr.length_ = static_cast<std::uint8_t>(length);
  return cidr;
}

std::optional<Cidr> Cidr::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<Ip> ip = Ip::Parse(text.substr(0, slash));
  if (!ip) return std::nullopt;
  if (slash == std::string_view::npos)
    return Make(*ip, static_cast<unsigned>(ip->bytes().size() * 8));
  const std::string_view digits = text.substr(slash + 1);
  unsigned length = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (problem != std::errc() || end != digits.data() + digits.size() || digits.empty())
    return std::nullopt;
  return Make(*ip, length);
}

bool Cidr::Contains(const Ip& ip) const {
  if (ip.is_v4() != ip_.is_v4()) return false;
  const std::span<const std::uint8_t> left = ip_.bytes();
  const std::span<const std::uint8_t> right = ip.bytes();
  const size_t whole = length_ / 8;
  if (!std::equal(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(whole), right.begin()))
    return false;
  const unsigned rest = length_ % 8;
  return rest == 0 || ((left[whole] ^ right[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

std::string Cidr::ToString() const { return ip_.ToString() + "/" + std::to_string(length_); }

std::optional<std::uint16_t> ParsePort(std::string_view text) {
  if (text.empty() || text.size() > 5 || text.front() == '0') return std::nullopt;
  unsigned value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size() || value > 65535)
    return std::nullopt;
  return static_cast<std::uint16_t>(value);
}

}  // namespace aquifer
