#include "certs/pem.h"

#include "tests/support/catch.h"

namespace aquifer::certs {
namespace {

std::string Block(std::string_view label, std::string_view body) {
  return MakePem(label, AsBytes(body));
}

std::string_view Text(const PemBlock& block) { return AsText(block.der); }

TEST_CASE("blocks come back with their labels, in order") {
  const auto blocks =
      ParsePem("a comment\n" + Block("A", "one") + "\nanother\n" + Block("B C", "two"), {});
  REQUIRE(blocks.ok());
  REQUIRE(blocks->size() == 2);
  CHECK((*blocks)[0].label == "A");
  CHECK(Text((*blocks)[0]) == "one");
  CHECK((*blocks)[1].label == "B C");
  CHECK(Text((*blocks)[1]) == "two");
}

TEST_CASE("a block of any length survives being written and read") {
  std::string body;
  for (int size = 1; size < 200; ++size) {
    body.push_back(static_cast<char>(size * 7));
    const auto blocks = ParsePem(Block("X", body), {});
    REQUIRE(blocks.ok());
    REQUIRE(blocks->size() == 1);
    CHECK(Text(blocks->front()) == body);
  }
}

TEST_CASE("lines of written PEM are at most 64 bytes") {
  const std::string pem = Block("X", std::string(100, 'x'));
  for (size_t at = 0; at < pem.size();) {
    const size_t end = pem.find('\n', at);
    CHECK(end - at <= 64);
    at = end + 1;
  }
}

TEST_CASE("CRLF line ends are read") {
  std::string pem = Block("X", "hello");
  for (size_t at = 0; (at = pem.find('\n', at)) != std::string::npos; at += 2)
    pem.replace(at, 1, "\r\n");
  const auto blocks = ParsePem(pem, {});
  REQUIRE(blocks.ok());
  CHECK(Text(blocks->front()) == "hello");
}

TEST_CASE("text without a block is an empty list") {
  const auto blocks = ParsePem("nothing here", {});
  REQUIRE(blocks.ok());
  CHECK(blocks->empty());
}

TEST_CASE("a block that does not end, is empty or is not base64 refuses the whole text") {
  const std::string good = Block("X", "hello");
  for (const std::string bad :
       {"-----BEGIN X-----\nAAAA\n", "-----BEGIN X-----\n-----END X-----\n",
        "-----BEGIN X-----\nA*AA\n-----END X-----\n", "-----BEGIN X-----\nAAA\n-----END X-----\n",
        "-----BEGIN X-----\nAAAA\n-----END Y-----\n", "-----BEGIN X",
        "-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END X-----\n"}) {
    CAPTURE(bad);
    CHECK(!ParsePem(good + bad, {}).ok());
  }
}

TEST_CASE("a refusal names the block") {
  const auto blocks = ParsePem(Block("X", "hello") + "-----BEGIN X-----\n!\n-----END X-----\n", {});
  REQUIRE(!blocks.ok());
  CHECK(blocks.error().field == "pem block 1");
}

TEST_CASE("more bytes or blocks than allowed are refused") {
  const std::string two = Block("X", "one") + Block("X", "two");
  CHECK(ParsePem(two, {.max_bytes = two.size(), .max_blocks = 2}).ok());
  CHECK(!ParsePem(two, {.max_bytes = two.size() - 1, .max_blocks = 2}).ok());
  CHECK(!ParsePem(two, {.max_bytes = two.size(), .max_blocks = 1}).ok());
}

TEST_CASE("no cut of a PEM block yields a block") {
  const std::string pem = Block("X", "hello");
  for (size_t size = 0; size + 1 < pem.size(); ++size) {
    CAPTURE(size);
    const auto blocks = ParsePem(std::string_view(pem).substr(0, size), {});
    CHECK((!blocks.ok() || blocks->empty()));
  }
}

}  // namespace
}  // namespace aquifer::certs
