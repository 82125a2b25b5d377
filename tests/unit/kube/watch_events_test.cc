#include "kube/watch_events.h"

#include "kube/list_page.h"
#include "tests/support/catch.h"

namespace aquifer::kube {
namespace {

const std::string kBody =
    R"({"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"a","resourceVersion":"5"}}})"
    "\n\n"
    R"({"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"9"}}})"
    "\r\n"
    R"({"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}})"
    "\n";

// "ADDED 5" and so on, of everything in `parts`; the refusal at last, if there is one.
std::vector<std::string> Read(const std::vector<std::string>& parts,
                              const JsonLimits& limits = {}) {
  static const char* const kWords[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"};
  WatchReader reader(limits);
  std::vector<std::string> seen;
  for (const std::string& part : parts) {
    reader.Feed(part);
    while (true) {
      const auto event = reader.Next();
      if (!event.ok()) {
        seen.push_back("refused: " + event.error().ToString());
        return seen;
      }
      if (!event->has_value()) break;
      const WatchEvent& one = **event;
      seen.push_back(std::string(kWords[static_cast<int>(one.type)]) + " " +
                     ResourceVersionOf(one.object));
    }
  }
  if (!reader.between_events()) seen.push_back("cut");
  return seen;
}

using Words = std::vector<std::string>;
const Words kAll = {"ADDED 5", "BOOKMARK 9", "ERROR "};

std::vector<std::string> Bytes(const std::string& text) {
  std::vector<std::string> bytes;
  for (const char c : text) bytes.emplace_back(1, c);
  return bytes;
}

}  // namespace

TEST_CASE("the events of a watch are read whole, byte by byte and cut anywhere") {
  CHECK(Read({kBody}) == kAll);
  CHECK(Read(Bytes(kBody)) == kAll);
  for (size_t at = 0; at <= kBody.size(); ++at) {
    INFO(at);
    CHECK(Read({kBody.substr(0, at), kBody.substr(at)}) == kAll);
  }
}

TEST_CASE("a watch that ends inside an event is told from one that ends behind it") {
  CHECK(Read({kBody.substr(0, 20)}) == Words{"cut"});
  CHECK(Read({kBody.substr(0, kBody.find('\n') + 1)}) == Words{"ADDED 5"});
}

TEST_CASE("what is no event is refused") {
  CHECK(Read({"{\n"}) == Words{"refused: not JSON"});
  CHECK(Read({"[]\n"}) == Words{"refused: an event is not a mapping"});
  CHECK(Read({"{\"object\":{}}\n"}) == Words{"refused: type: is required"});
  CHECK(Read({"{\"type\":\"ADDED\"}\n"}) == Words{"refused: object: is not a mapping"});
  CHECK(Read({"{\"type\":\"MOVED\",\"object\":{}}\n"}) ==
        Words{"refused: type: \"MOVED\" is none of a watch"});
}

TEST_CASE("an event that is too long is refused before it is whole") {
  CHECK(Read({std::string(101, 'x')}, {.bytes = 100}) ==
        Words{"refused: an event is larger than 100 bytes"});
}

TEST_CASE("JSON is bounded in depth and in values, and managedFields are left out") {
  CHECK(ReadJson("[[[[]]]]", {.depth = 2}).error().ToString() == "nested deeper than 2 levels");
  CHECK(ReadJson("[1,2,3,4]", {.values = 4}).error().ToString() == "more than 4 values");
  CHECK(ReadJson(std::string(100'000, '['), {}).error().ToString() ==
        "nested deeper than 64 levels");
  CHECK(ReadJson("{} {}", {}).error().ToString() == "not JSON");
  CHECK(ReadJson(R"({"metadata":{"managedFields":[{"a":{}}],"name":"x"},"b":[1,{"c":2}]})", {})
            ->dump() == R"({"b":[1,{"c":2}],"metadata":{"name":"x"}})");
}

TEST_CASE("a page of a list brings its items and where the next one begins") {
  const auto page = ReadListPage(
      R"({"metadata":{"resourceVersion":"7","continue":"a/b="},"items":[{"a":1},{"a":2}]})", {});
  REQUIRE(page.ok());
  CHECK(page->items.size() == 2);
  CHECK(page->resource_version == "7");
  CHECK(QueryValue(page->next) == "a%2Fb%3D");
  const auto last = ReadListPage(R"({"metadata":{"resourceVersion":"7"},"items":null})", {});
  REQUIRE(last.ok());
  CHECK(last->items.empty());
  CHECK(last->next.empty());
}

TEST_CASE("what is no page of a list is refused") {
  const auto why = [](std::string_view text) { return ReadListPage(text, {}).error().ToString(); };
  CHECK(why("[]") == "a list is not a mapping");
  CHECK(why(R"({"items":[]})") == "metadata.resourceVersion: is required");
  CHECK(why(R"({"metadata":{"resourceVersion":"7&x=y"}})") ==
        "metadata.resourceVersion: is required");
  CHECK(why(R"({"metadata":{"resourceVersion":"7"},"items":[1]})") ==
        "items: expected a list of objects");
}

TEST_CASE("a failure is told in the server's words on one line, whatever they are") {
  CHECK(FailureMessage(R"({"kind":"Status","message":"pods is forbidden","code":403})") ==
        "pods is forbidden");
  CHECK(FailureMessage("404 page not found\n") == "404 page not found");
  CHECK(FailureMessage("a\x1b[31m\nb") == "a [31m b");
  CHECK(FailureMessage(std::string(5000, 'x')).size() == 400);
}

}  // namespace aquifer::kube
