#include "core/base/address.h"

#include "tests/support/catch.h"

namespace aquifer {

TEST_CASE("an IPv4-mapped IPv6 address is the IPv4 address") {
  CHECK(Ip::Parse("::ffff:10.0.0.1") == Ip::Parse("10.0.0.1"));
}

TEST_CASE("what is not exactly an address is refused") {
  for (const char* text :
       {"", "10.0.0", "10.0.0.1 ", "010.0.0.1x", "::g", "10.0.0.1:80", "[::1]", "fe80::1%eth0"}) {
    INFO(text);
    CHECK_FALSE(Ip::Parse(text));
  }
  CHECK_FALSE(Ip::Parse(std::string_view("1.2.3.4\0", 8)));
}

TEST_CASE("a socket address needs a port, and brackets exactly around IPv6") {
  CHECK(Address::Parse("10.0.0.1:80") == Address{Ip::V4(10, 0, 0, 1), 80});
  CHECK(Address::Parse("[fd00::1]:15008")->ToString() == "[fd00::1]:15008");
  for (const char* text : {"10.0.0.1", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:080",
                           "fd00::1:80", "[10.0.0.1]:80", ":80"}) {
    INFO(text);
    CHECK_FALSE(Address::Parse(text));
  }
}

TEST_CASE("a socket address survives the kernel's form") {
  for (const char* text : {"10.1.2.3:4", "[fd00::7]:65535"}) {
    sockaddr_storage storage{};
    Address::Parse(text)->ToSockaddr(storage);
    CHECK(Address::FromSockaddr(storage)->ToString() == text);
  }
}

TEST_CASE("a prefix contains what shares its bits and nothing of the other family") {
  CHECK(Cidr::Parse("10.1.0.0/15")->Contains(*Ip::Parse("10.0.255.1")));
  CHECK_FALSE(Cidr::Parse("10.1.0.0/16")->Contains(*Ip::Parse("10.2.0.1")));
  CHECK(Cidr::Parse("0.0.0.0/0")->Contains(*Ip::Parse("255.1.1.1")));
  CHECK_FALSE(Cidr::Parse("0.0.0.0/0")->Contains(*Ip::Parse("fd00::1")));
  CHECK(Cidr::Parse("fd00::/8")->Contains(*Ip::Parse("fdff::1")));
  CHECK(Cidr::Parse("10.9.9.9/8")->ToString() == "10.0.0.0/8");
  for (const char* text : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "::/129", "10.0.0.0/8x"})
    CHECK_FALSE(Cidr::Parse(text));
}

}  // namespace aquifer
