#include "waypoint/grpc_messages.h"

#include <string>

#include "tests/support/catch.h"

namespace aquifer::waypoint {
namespace {

std::string Message(const std::string& text) {
  return std::string({'\0', '\0', '\0', static_cast<char>(text.size() >> 8),
                      static_cast<char>(text.size() & 255)}) +
         text;
}

Bytes BytesOf(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

TEST_CASE("messages are counted wherever the body is cut") {
  const std::string body = Message("hello") + Message("") + Message(std::string(300, 'x'));
  for (size_t step = 1; step <= body.size(); ++step) {
    GrpcMessages messages;
    for (size_t at = 0; at < body.size(); at += step) {
      const std::string part = body.substr(at, step);
      messages.Take(BytesOf(part));
    }
    CHECK(messages.count() == 3);
  }
}

TEST_CASE("half a prefix is no message, and a prefix is one") {
  GrpcMessages messages;
  messages.Take(BytesOf(Message("hello").substr(0, 4)));
  CHECK(messages.count() == 0);
  messages.Take(BytesOf(Message("hello").substr(4)));
  CHECK(messages.count() == 1);
}

TEST_CASE("the longest length there is does not wrap around") {
  GrpcMessages messages;
  messages.Take(BytesOf("\x01\xff\xff\xff\xff" + std::string(1000, '\0')));
  CHECK(messages.count() == 1);
}

}  // namespace
}  // namespace aquifer::waypoint
