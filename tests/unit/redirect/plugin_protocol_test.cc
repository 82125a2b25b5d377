#include "redirect/plugin_protocol.h"

#include <vector>

#include "tests/support/catch.h"

namespace aquifer::redirect {
namespace {

PluginRequest Whole() {
  return {.command = PluginCommand::kAdd,
          .ns = "shop",
          .name = "cart-0",
          .uid = "0c9f6d1e-8f0a-4a57-9d0e-0d4c2b7f6a11",
          .netns = "/var/run/netns/cni-1",
          .container_id = "4f2A_b.c-1"};
}

// The request with one of its members changed as `change` does.
template <class Change>
std::string FieldRefused(Change change) {
  PluginRequest request = Whole();
  change(request);
  const Decoded<std::string> packet = EncodePluginRequest(request);
  return packet ? "taken" : packet.error().field;
}

std::string FieldRefusedOf(const std::string& packet) {
  const Decoded<PluginRequest> request = DecodePluginRequest(packet);
  return request ? "taken" : request.error().field;
}

}  // namespace

TEST_CASE("a request of the plugin is read as it was written") {
  for (const PluginCommand command :
       {PluginCommand::kAdd, PluginCommand::kDel, PluginCommand::kCheck}) {
    PluginRequest request = Whole();
    request.command = command;
    const Decoded<std::string> packet = EncodePluginRequest(request);
    REQUIRE(packet.ok());
    CHECK(packet->size() <= kMaxPluginPacket);
    const Decoded<PluginRequest> read = DecodePluginRequest(*packet);
    REQUIRE(read.ok());
    CHECK(*read == request);
  }
}

TEST_CASE("a request of the plugin that is cut anywhere is refused") {
  const std::string packet = *EncodePluginRequest(Whole());
  for (size_t size = 0; size < packet.size(); ++size)
    CHECK_FALSE(DecodePluginRequest(std::string_view(packet).substr(0, size)).ok());
}

TEST_CASE("each member of the plugin's request is checked, and the refusal names it") {
  CHECK(FieldRefused([](PluginRequest&) {}) == "taken");
  CHECK(FieldRefused([](PluginRequest& r) { r.ns = ""; }) == "namespace");
  CHECK(FieldRefused([](PluginRequest& r) { r.ns = "a/b"; }) == "namespace");
  CHECK(FieldRefused([](PluginRequest& r) { r.name = "Cart"; }) == "name");
  CHECK(FieldRefused([](PluginRequest& r) { r.name = std::string(254, 'a'); }) == "name");
  CHECK(FieldRefused([](PluginRequest& r) { r.uid = ""; }) == "uid");
  CHECK(FieldRefused([](PluginRequest& r) { r.uid = "a b"; }) == "uid");
  CHECK(FieldRefused([](PluginRequest& r) { r.container_id = "\n"; }) == "containerId");
  CHECK(FieldRefused([](PluginRequest& r) { r.netns = ""; }) == "netns");
  CHECK(FieldRefused([](PluginRequest& r) { r.netns = "var/run"; }) == "netns");
  CHECK(FieldRefused([](PluginRequest& r) { r.netns = "/" + std::string(1024, 'a'); }) == "netns");
}

TEST_CASE("a sandbox may be taken down when the runtime no longer knows its namespace") {
  PluginRequest request = Whole();
  request.command = PluginCommand::kDel;
  request.netns = "";
  const Decoded<std::string> packet = EncodePluginRequest(request);
  REQUIRE(packet.ok());
  CHECK(*DecodePluginRequest(*packet) == request);
}

TEST_CASE("a plugin of another release is told so and not guessed at") {
  std::string packet = *EncodePluginRequest(Whole());
  packet.replace(packet.find("\"version\":1"), 11, "\"version\":2");
  CHECK(FieldRefusedOf(packet) == "version");
  CHECK(FieldRefusedOf("{}") == "version");
  CHECK(FieldRefusedOf(R"({"version": "1"})") == "version");
}

TEST_CASE("what is no request of a plugin is refused") {
  CHECK(FieldRefusedOf("[]").empty());
  CHECK(FieldRefusedOf("").empty());
  CHECK(FieldRefusedOf(R"({"version": 1, "command": "GC"})") == "command");
  CHECK(FieldRefusedOf(R"({"version": 1, "command": "ADD", "namespace": 5})") == "namespace");
  const Decoded<PluginRequest> large = DecodePluginRequest(std::string(kMaxPluginPacket + 1, ' '));
  REQUIRE_FALSE(large.ok());
  CHECK(large.error().why.find("larger than 8192 bytes") != std::string::npos);
}

TEST_CASE("a member that only a newer plugin knows is passed over") {
  std::string packet = *EncodePluginRequest(Whole());
  packet.insert(1, R"("colour": "blue",)");
  const Decoded<PluginRequest> read = DecodePluginRequest(packet);
  REQUIRE(read.ok());
  CHECK(*read == Whole());
}

TEST_CASE("answers to a plugin are read as they were written") {
  const std::vector<PluginAnswer> answers = {
      {.enrolled = true}, {.enrolled = false}, {.enrolled = false, .error = "no \"proxy\"\n"}};
  for (const PluginAnswer& answer : answers) {
    const Decoded<PluginAnswer> read = DecodePluginAnswer(EncodePluginAnswer(answer));
    REQUIRE(read.ok());
    CHECK(*read == answer);
  }
}

TEST_CASE("an error of any length and bytes still makes an answer that fits") {
  const std::string packet =
      EncodePluginAnswer({.enrolled = false, .error = std::string(100'000, '\x01') + "\xff"});
  CHECK(packet.size() <= kMaxPluginPacket);
  const Decoded<PluginAnswer> read = DecodePluginAnswer(packet);
  REQUIRE(read.ok());
  CHECK(read->error == std::string(1024, '\x01'));
  CHECK(DecodePluginAnswer(EncodePluginAnswer({.enrolled = false, .error = "\xff"})).ok());
}

TEST_CASE("an answer that does not say whether the pod is in the mesh is none") {
  CHECK_FALSE(DecodePluginAnswer(R"({"version": 1})").ok());
  CHECK_FALSE(DecodePluginAnswer(R"({"version": 1, "enrolled": "yes"})").ok());
  CHECK_FALSE(DecodePluginAnswer(R"({"version": 1, "enrolled": true, "error": ""})").ok());
  CHECK(DecodePluginAnswer(R"({"version": 1, "enrolled": true})").ok());
}

}  // namespace aquifer::redirect
