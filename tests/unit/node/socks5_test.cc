#include "node-proxy/socks5.h"

#include <cerrno>
#include <string>
#include <vector>

#include "tests/support/catch.h"

namespace aquifer::node {
namespace {

using Step = Socks5Parser::Step;
using namespace std::string_literals;

const std::string kHello = "\x05\x01\x00"s;

// The steps that `input` leads to, and what is left of it.
std::vector<Step> Steps(Socks5Parser& parser, std::string_view& input) {
  std::vector<Step> steps;
  Bytes bytes = AsBytes(input);
  do {
    steps.push_back(parser.Next(bytes));
  } while (steps.back() == Step::kGreeted);
  input = AsText(bytes);
  return steps;
}

// Where a client that sends `request` after its greeting wants to go.
std::string Destination(const std::string& request) {
  Socks5Parser parser;
  const std::string text = kHello + request;
  std::string_view input = text;
  const std::vector<Step> steps = Steps(parser, input);
  if (steps.back() == Step::kRefused) return "refused " + std::to_string(parser.answer()[1]);
  if (steps.back() != Step::kAsked) return "more";
  if (const auto* address = std::get_if<Address>(&parser.destination())) return address->ToString();
  const auto& name = std::get<Socks5Name>(parser.destination());
  return name.host + " " + std::to_string(name.port);
}

std::string Name(const std::string& host) {
  return "\x05\x01\x00\x03"s + static_cast<char>(host.size()) + host + "\x00\x50"s;
}

TEST_CASE("a client is asked for no authentication, and then says where it wants to go") {
  Socks5Parser parser;
  const std::string text = "\x05\x02\x02\x00\x05\x01\x00\x01\x0a\x00\x00\x01\x00\x50GET"s;
  std::string_view input = text;
  CHECK(Steps(parser, input) == std::vector<Step>{Step::kGreeted, Step::kAsked});
  CHECK(parser.answer() == "\x05\x00"s);
  CHECK(std::get<Address>(parser.destination()) == Address{Ip::V4(10, 0, 0, 1), 80});
  CHECK(input == "GET");
}

TEST_CASE("it makes no difference how the client's bytes are cut") {
  const std::string text = kHello + Name("web.example");
  Socks5Parser parser;
  std::vector<Step> steps;
  for (const char& c : text) {
    std::string_view input(&c, 1);
    for (const Step step : Steps(parser, input)) {
      if (step != Step::kMore) steps.push_back(step);
    }
    CHECK(input.empty());
  }
  CHECK(steps == std::vector<Step>{Step::kGreeted, Step::kAsked});
  CHECK(std::get<Socks5Name>(parser.destination()).host == "web.example");
}

TEST_CASE("addresses of each type") {
  CHECK(Destination("\x05\x01\x00\x04"s + "\xfd" + std::string(14, '\0') + "\x01\x1f\x90"s) ==
        "[fd00::1]:8080");
  CHECK(Destination("\x05\x01\x00\x04"s + std::string(10, '\0') +
                    "\xff\xff\x0a\x00\x00\x01\x00\x50"s) == "10.0.0.1:80");
  CHECK(Destination(Name("Web.Example.")) == "web.example 80");
  CHECK(Destination(Name("10.0.0.9")) == "10.0.0.9:80");
  CHECK(Destination(Name(std::string(255, 'a'))) == std::string(255, 'a') + " 80");
}

TEST_CASE("what is not to be had is refused with the code that says so") {
  CHECK(Destination("\x05\x02\x00\x01\x0a\x00\x00\x01\x00\x50"s) == "refused 7");  // BIND
  CHECK(Destination("\x05\x03\x00\x01\x0a\x00\x00\x01\x00\x50"s) == "refused 7");  // UDP
  CHECK(Destination("\x05\x01\x00\x02\x0a\x00\x00\x01\x00\x50"s) == "refused 8");
  CHECK(Destination("\x05\x01\x00\x01\x0a\x00\x00\x01\x00\x00"s) == "refused 1");  // port 0
  CHECK(Destination("\x04\x01\x00\x01\x0a\x00\x00\x01\x00\x50"s) == "refused 1");
  CHECK(Destination(Name("")) == "refused 1");
  CHECK(Destination(Name(".")) == "refused 1");
  CHECK(Destination(Name("a b")) == "refused 1");
  CHECK(Destination(Name("a\0b"s)) == "refused 1");
  CHECK(Destination("\x05\x01\x00\x01\x0a"s) == "more");
}

TEST_CASE("a client that wants to prove who it is, or speaks something else, is turned away") {
  for (const auto& [text, answer] : std::vector<std::pair<std::string, std::string>>{
           {"\x05\x01\x02"s, "\x05\xff"s}, {"\x05\x00"s, "\x05\xff"s}, {"\x04\x01"s, ""}}) {
    Socks5Parser parser;
    std::string_view input = text;
    CHECK(Steps(parser, input) == std::vector<Step>{Step::kRefused});
    CHECK(parser.answer() == answer);
    CHECK_FALSE(parser.refusal().empty());
  }
}

TEST_CASE("the reply says how it went") {
  CHECK(Socks5Reply(Status()) == "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"s);
  const auto code = [](const Error& error) { return static_cast<int>(Socks5Reply(error)[1]); };
  CHECK(code(Error{Reason::kStopped}) == 1);
  CHECK(code(Error{Reason::kConnectRejected}) == 2);
  CHECK(code(Error{Reason::kUnknownWaypoint}) == 2);
  CHECK(code(Error{Reason::kSystem, ENETUNREACH}) == 3);
  CHECK(code(Error{Reason::kNotFound}) == 4);
  CHECK(code(Error{Reason::kSystem, EHOSTUNREACH}) == 4);
  CHECK(code(Error{Reason::kConnectRefused}) == 5);
}

}  // namespace
}  // namespace aquifer::node
