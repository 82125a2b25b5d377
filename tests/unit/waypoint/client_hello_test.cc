#include "waypoint/client_hello.h"

#include "tests/support/catch.h"
#include "tests/unit/waypoint/hello_bytes.h"

namespace aquifer::waypoint {
namespace {

using State = ClientHello::State;

ClientHello Read(std::string_view bytes) { return ReadClientHello(AsBytes(bytes)); }

TEST_CASE("a client's server name is read, in lower case") {
  const ClientHello hello = Read(test::HelloFor("Shop.Example.COM"));
  CHECK(hello.state == State::kComplete);
  CHECK(hello.server_name == "shop.example.com");
}

TEST_CASE("a client that names nobody is read, too") {
  const ClientHello hello = Read(test::HelloFor(""));
  CHECK(hello.state == State::kComplete);
  CHECK(hello.server_name.empty());
}

TEST_CASE("no part of a hello is taken for the whole") {
  const std::string bytes = test::HelloFor("a.example.com");
  for (size_t end = 0; end < bytes.size(); ++end) {
    CAPTURE(end);
    CHECK(Read(std::string_view(bytes).substr(0, end)).state == State::kIncomplete);
  }
}

TEST_CASE("a hello is read over the ends of its records") {
  const std::string message = test::HelloMessage({test::ServerNameExtension("a.example.com")});
  for (size_t cut = 1; cut < message.size(); ++cut) {
    const ClientHello hello =
        Read(test::Record(message.substr(0, cut)) + test::Record(message.substr(cut)));
    CAPTURE(cut);
    CHECK(hello.server_name == "a.example.com");
  }
}

TEST_CASE("what is no hello is refused as soon as that shows") {
  CHECK(Read("G").state == State::kRefused);
  CHECK(Read("GET / HTTP/1.1\r\n").state == State::kRefused);
  CHECK(Read(std::string_view("\x16\x02", 2)).state == State::kRefused);
  CHECK(Read(test::Record("\x02")).state == State::kRefused);
  CHECK(Read(std::string_view("\x16\x03\x01\0\0", 5)).state == State::kRefused);
}

TEST_CASE("a hello that could be read in two ways is refused") {
  const std::string a = test::ServerNameExtension("a.example.com");
  const std::string b = test::ServerNameExtension("b.example.com");
  CHECK(Read(test::Record(test::HelloMessage({a, b}))).state == State::kRefused);
  CHECK(Read(test::HelloFor(std::string_view("a\0b", 3))).state == State::kRefused);
  CHECK(Read(test::Record(test::HelloMessage({a.substr(0, a.size() - 1)}))).state ==
        State::kRefused);
}

TEST_CASE("a server name that ends in a dot is refused, so that policies know each by one name") {
  CHECK(Read(test::HelloFor("a.example.com.")).state == State::kRefused);
  CHECK(Read(test::HelloFor("a.example.com")).state == State::kComplete);
}

TEST_CASE("a hello in more pieces or bytes than any client sends is refused") {
  const std::string message = test::HelloMessage({test::ServerNameExtension("a.example.com")});
  std::string pieces;
  for (const char byte : message) pieces += test::Record({&byte, 1});
  CHECK(Read(pieces).state == State::kRefused);
  CHECK(Read(test::Record(std::string_view("\x01\x01\0\0", 4))).state == State::kRefused);
}

}  // namespace
}  // namespace aquifer::waypoint
