#include "redirect/netlink.h"

#include <cerrno>
#include <cstring>
#include <vector>

#include "tests/support/catch.h"

namespace aquifer::redirect {
namespace {

constexpr std::uint16_t kAnswer = NLMSG_MIN_TYPE;

// A message that says `length` of itself and has a number behind its header.
void Add(std::vector<std::uint8_t>& bytes, std::uint16_t type, int number,
         std::uint32_t length = NLMSG_LENGTH(sizeof(int))) {
  nlmsghdr header{};
  header.nlmsg_len = length;
  header.nlmsg_type = type;
  const std::size_t at = bytes.size();
  bytes.resize(at + NLMSG_SPACE(sizeof number));
  std::memcpy(&bytes[at], &header, sizeof header);
  std::memcpy(&bytes[at + NLMSG_HDRLEN], &number, sizeof number);
}

struct Counted {
  Result<bool> ended;
  int messages = 0;
};

Counted Read(const std::vector<std::uint8_t>& bytes) {
  int messages = 0;
  Result<bool> ended = ReadAnswers(bytes, [&messages](const NetlinkAnswer&) { ++messages; });
  return {.ended = std::move(ended), .messages = messages};
}

TEST_CASE("a dump goes on until its end is told") {
  std::vector<std::uint8_t> bytes;
  Add(bytes, kAnswer, 1);
  Add(bytes, kAnswer, 2);
  const Counted more = Read(bytes);
  REQUIRE(more.ended.ok());
  CHECK_FALSE(*more.ended);
  CHECK(more.messages == 2);
  Add(bytes, NLMSG_DONE, 0);
  const Counted all = Read(bytes);
  REQUIRE(all.ended.ok());
  CHECK(*all.ended);
  CHECK(all.messages == 2);
}

TEST_CASE("a dump that the kernel gave up is an error and not an empty one") {
  std::vector<std::uint8_t> bytes;
  Add(bytes, NLMSG_DONE, -ENOENT);
  const Counted read = Read(bytes);
  REQUIRE_FALSE(read.ended.ok());
  CHECK(read.ended.error().os_error == ENOENT);
}

TEST_CASE("the end of a dump may come without a number") {
  std::vector<std::uint8_t> bytes;
  Add(bytes, NLMSG_DONE, -ENOENT, NLMSG_LENGTH(0));
  const Counted read = Read(bytes);
  REQUIRE(read.ended.ok());
  CHECK(*read.ended);
}

TEST_CASE("a message that is longer than what came, or shorter than its header, is an error") {
  for (const std::uint32_t length : {0U, 15U, 21U, 0xffffffffU}) {
    std::vector<std::uint8_t> bytes;
    Add(bytes, kAnswer, 0, length);
    const Counted read = Read(bytes);
    REQUIRE_FALSE(read.ended.ok());
    CHECK(read.ended.error().os_error == EBADMSG);
    CHECK(read.messages == 0);
  }
}

}  // namespace
}  // namespace aquifer::redirect
