#include "node-proxy/proxy_header.h"

#include <vector>

#include "tests/support/catch.h"

namespace aquifer::node {
namespace {

const certs::Identity kClient{"td", "ns", "sa"};

std::string Bytes(const std::vector<int>& bytes) {
  std::string text;
  for (const int byte : bytes) text.push_back(static_cast<char>(byte));
  return text;
}
const std::string kStart =
    Bytes({0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A, 0x21});

Address At(const char* text) { return *Address::Parse(text); }

}  // namespace

TEST_CASE("the PROXY header of two IPv4 addresses") {
  const std::string tlv = Bytes({0xD0, 0, 23}) + "spiffe://td/ns/ns/sa/sa";
  CHECK(EncodeProxyHeader(At("10.1.2.3:4660"), At("10.9.8.7:80"), kClient) ==
        kStart + Bytes({0x11, 0, 12 + 26, 10, 1, 2, 3, 10, 9, 8, 7, 0x12, 0x34, 0, 80}) + tlv);
}

TEST_CASE("the PROXY header of two IPv6 addresses") {
  const std::string header = EncodeProxyHeader(At("[fd00::1]:1"), At("[fd00::2]:65535"), kClient);
  std::vector<int> source(16), destination(16);
  source[0] = destination[0] = 0xfd;
  source[15] = 1;
  destination[15] = 2;
  CHECK(header == kStart + Bytes({0x21, 0, 36 + 26}) + Bytes(source) + Bytes(destination) +
                      Bytes({0, 1, 0xff, 0xff}) + Bytes({0xD0, 0, 23}) + kClient.ToString());
}

TEST_CASE("a PROXY header of two families names no address, and the client all the same") {
  const std::string expected = kStart + Bytes({0x00, 0, 26, 0xD0, 0, 23}) + kClient.ToString();
  CHECK(EncodeProxyHeader(At("10.1.2.3:1"), At("[fd00::2]:2"), kClient) == expected);
  CHECK(EncodeProxyHeader(At("[fd00::2]:2"), At("10.1.2.3:1"), kClient) == expected);
}

TEST_CASE("a PROXY header counts the bytes of a long identity") {
  const certs::Identity longest{"td", std::string(900, 'n'), std::string(900, 's')};
  const std::string header = EncodeProxyHeader(At("10.1.2.3:1"), At("10.1.2.4:2"), longest);
  const std::size_t rest = header.size() - 16;
  CHECK(rest == 12 + 3 + longest.ToString().size());
  CHECK(header.substr(14, 2) ==
        Bytes({static_cast<int>(rest >> 8U), static_cast<int>(rest & 0xffU)}));
  CHECK(header.ends_with(longest.ToString()));
}

}  // namespace aquifer::node
