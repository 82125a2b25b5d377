#include "core/obs/trace_context.h"

#include "tests/support/catch.h"

namespace aquifer::obs {
namespace {

constexpr std::string_view kHeader = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

// 1, 2, 3, ...
RandomBits Counting() {
  return [next = std::uint64_t{0}]() mutable { return ++next; };
}

TEST_CASE("a header reads as what it says and prints as it was") {
  const auto context = TraceContext::Parse(kHeader);
  REQUIRE(context);
  CHECK(context->TraceId() == "0af7651916cd43dd8448eb211c80319c");
  CHECK(context->parent_id.front() == 0xb7);
  CHECK(context->flags == TraceContext::kSampled);
  CHECK(context->ToString() == kHeader);
}

TEST_CASE("a header of any other length is no header") {
  for (size_t length = 0; length < kHeader.size(); ++length)
    CHECK_FALSE(TraceContext::Parse(kHeader.substr(0, length)));
  CHECK_FALSE(TraceContext::Parse(std::string(kHeader) + "-"));
  CHECK_FALSE(TraceContext::Parse(std::string(kHeader) + " "));
}

TEST_CASE("a wrong byte anywhere makes it no header") {
  for (size_t i = 0; i < kHeader.size(); ++i) {
    for (const char wrong : {'g', 'A', ' ', '\0', '\xff'}) {
      std::string header(kHeader);
      header[i] = wrong;
      CHECK_FALSE(TraceContext::Parse(header));
    }
  }
}

TEST_CASE("ids of zero and version ff are refused") {
  CHECK_FALSE(TraceContext::Parse("00-00000000000000000000000000000000-b7ad6b7169203331-01"));
  CHECK_FALSE(TraceContext::Parse("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"));
  CHECK_FALSE(TraceContext::Parse("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
}

TEST_CASE("a later version is handed on as version 00") {
  const auto context =
      TraceContext::Parse("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  REQUIRE(context);
  CHECK(context->ToString() == kHeader);
}

TEST_CASE("a new trace has the ids of the random source and is not sampled") {
  CHECK(TraceContext::Make(Counting()).ToString() ==
        "00-01000000000000000200000000000000-0300000000000000-00");
}

TEST_CASE("a random source of zeros makes a valid header all the same") {
  const TraceContext context = TraceContext::Make([] { return std::uint64_t{0}; });
  CHECK(TraceContext::Parse(context.ToString()) == context);
}

TEST_CASE("a child keeps the trace and its sampling and has a parent of its own") {
  auto context = TraceContext::Parse(kHeader);
  REQUIRE(context);
  context->flags = 0xFF;
  CHECK(context->Child(Counting()).ToString() ==
        "00-0af7651916cd43dd8448eb211c80319c-0100000000000000-03");
}

}  // namespace
}  // namespace aquifer::obs
