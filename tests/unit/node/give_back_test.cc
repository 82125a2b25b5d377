#include "node-proxy/give_back.h"

#include "tests/support/catch.h"

namespace aquifer::node {
namespace {

constexpr std::size_t kMb = std::size_t{1024} * 1024;

TEST_CASE("memory is given back when a burst of connections is over, and once") {
  GiveBack rule;
  CHECK_FALSE(rule.IsDue(20 * kMb, 10));
  CHECK_FALSE(rule.IsDue(90 * kMb, 9000));  // it grows
  CHECK_FALSE(rule.IsDue(100 * kMb, 10000));
  CHECK_FALSE(rule.IsDue(100 * kMb, 10000));  // it is needed
  CHECK_FALSE(rule.IsDue(98 * kMb, 9000));
  CHECK(rule.IsDue(95 * kMb, 20));
  rule.Done(25 * kMb);
  CHECK_FALSE(rule.IsDue(25 * kMb, 20));
  CHECK_FALSE(rule.IsDue(26 * kMb, 10));
}

TEST_CASE("what the system would not give back is not asked for again") {
  GiveBack rule;
  CHECK_FALSE(rule.IsDue(20 * kMb, 10));
  CHECK_FALSE(rule.IsDue(100 * kMb, 10000));
  CHECK(rule.IsDue(100 * kMb, 10));
  rule.Done(80 * kMb);
  for (int i = 0; i < 10; ++i) CHECK_FALSE(rule.IsDue(80 * kMb, 10));
}

TEST_CASE("memory that is little more than before is kept") {
  GiveBack rule;
  CHECK_FALSE(rule.IsDue(20 * kMb, 100));
  CHECK_FALSE(rule.IsDue(26 * kMb, 100));
  CHECK_FALSE(rule.IsDue(26 * kMb, 10));
  CHECK_FALSE(rule.IsDue(26 * kMb, 0));
}

}  // namespace
}  // namespace aquifer::node
