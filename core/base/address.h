// IP addresses, socket addresses and prefixes: parse, print, compare, hash. Values without
// allocation, any thread. An IPv4-mapped IPv6 address is turned into IPv4 wherever one comes in, so
// that one host never has two spellings.
#pragma once

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace aquifer {

class Ip {
 public:
  Ip() = default;  // 0.0.0.0

  static Ip V4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d);
  static Ip Loopback4() { return V4(127, 0, 0, 1); }
  static Ip Loopback6();
  static Ip Any4() { return Ip(); }
  static Ip Any6();
  // "10.0.0.1" or "fd00::1"; no port, no zone, no brackets.
  static std::optional<Ip> Parse(std::string_view text);
  // 4 or 16 bytes in network order, as in istio.workload.Workload.addresses.
  static std::optional<Ip> FromBytes(std::span<const std::uint8_t> bytes);
  static std::optional<Ip> FromBytes(std::string_view bytes);

  bool is_v4() const { return length_ == 4; }
  bool is_v6() const { return length_ == 16; }
  bool is_loopback() const;
  bool is_any() const;
  // Network order, 4 or 16 of them.
  std::span<const std::uint8_t> bytes() const { return {bytes_.data(), length_}; }
  std::string ByteString() const;
  std::string ToString() const;

  friend auto operator<=>(const Ip&, const Ip&) = default;
  friend bool operator==(const Ip&, const Ip&) = default;
  template <class H>
  friend H AbslHashValue(H h, const Ip& ip) {
    return H::combine(H::combine_contiguous(std::move(h), ip.bytes_.data(), ip.length_),
                      ip.length_);
  }

 private:
  std::uint8_t length_ = 4;
  std::array<std::uint8_t, 16> bytes_{};
};

// An IP address and a port in host order.
struct Address {
  Ip ip;
  std::uint16_t port = 0;

  // "10.0.0.1:80" or "[fd00::1]:80"; the port is mandatory.
  static std::optional<Address> Parse(std::string_view text);
  // Of family AF_INET or AF_INET6; empty for any other.
  static std::optional<Address> FromSockaddr(const sockaddr_storage& storage);
  // Fills `storage` and returns the length to pass to the kernel.
  socklen_t ToSockaddr(sockaddr_storage& storage) const;
  std::string ToString() const;

  friend auto operator<=>(const Address&, const Address&) = default;
  friend bool operator==(const Address&, const Address&) = default;
  template <class H>
  friend H AbslHashValue(H h, const Address& a) {
    return H::combine(std::move(h), a.ip, a.port);
  }
};

// A prefix such as 10.0.0.0/8. Bits behind the prefix are zero.
class Cidr {
 public:
  // Masks `ip`; empty if `length` is longer than the address.
  static std::optional<Cidr> Make(const Ip& ip, unsigned length);
  // "10.0.0.0/8", or a bare address for the whole of it.
  static std::optional<Cidr> Parse(std::string_view text);

  bool Contains(const Ip& ip) const;
  const Ip& ip() const { return ip_; }
  unsigned length() const { return length_; }
  std::string ToString() const;

  friend auto operator<=>(const Cidr&, const Cidr&) = default;
  friend bool operator==(const Cidr&, const Cidr&) = default;

 private:
  Ip ip_;
  std::uint8_t length_ = 32;
};

// A decimal port of 1 to 65535 without sign, blanks or leading zeros.
std::optional<std::uint16_t> ParsePort(std::string_view text);

}  // namespace aquifer
