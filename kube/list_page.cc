#include "kube/list_page.h"

#include <algorithm>
#include <utility>

#include "kube/watch_events.h"

namespace aquifer::kube {
namespace {

constexpr size_t kMaxMessage = 400;
constexpr size_t kMaxContinue = 4096;

// One line of what an API server says. Its messages name users and objects and are longer than the
// names that PrintableText is for.
std::string OneLine(std::string_view text) {
  std::string line(text.substr(0, kMaxMessage));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = ' ';
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

}  // namespace

Decoded<ListPage> ReadListPage(std::string_view text, const JsonLimits& limits) {
  AQ_TRY(Json list, ReadJson(text, limits));
  return ListPageOf(std::move(list));
}

Decoded<ListPage> ListPageOf(Json list) {
  if (!list.is_object()) return Refusal{"", "a list is not a mapping"};
  ListPage page;
  page.resource_version = ResourceVersionOf(list);
  if (page.resource_version.empty()) return Refusal{"metadata.resourceVersion", "is required"};
  const Json& metadata = list["metadata"];
  if (const auto next = metadata.find("continue"); next != metadata.end() && next->is_string())
    page.next = next->get<std::string>();
  if (page.next.size() > kMaxContinue) return Refusal{"metadata.continue", "is too long"};
  page.items = Json::array();
  const auto items = list.find("items");
  if (items == list.end() || items->is_null()) return page;
  const bool good = items->is_array() && std::all_of(items->begin(), items->end(),
                                                     [](const Json& i) { return i.is_object(); });
  if (!good) return Refusal{"items", "expected a list of objects"};
  page.items = std::move(*items);
  return page;
}

std::string FailureMessage(std::string_view body) {
  const Decoded<Json> value = ReadJson(body, {.bytes = 64 << 10, .values = 1000, .depth = 16});
  std::string message = value.ok() ? StatusMessage(*value) : "";
  return message.empty() ? OneLine(body) : message;
}

std::string StatusMessage(const Json& status) {
  if (!status.is_object()) return "";
  const auto message = status.find("message");
  if (message == status.end() || !message->is_string()) return "";
  return OneLine(message->get_ref<const std::string&>());
}

int StatusCode(const Json& status) {
  const auto code = status.find("code");
  if (code == status.end() || !code->is_number_integer()) return 0;
  const auto number = code->get<std::int64_t>();
  return number >= 100 && number <= 599 ? static_cast<int>(number) : 0;
}

std::string QueryValue(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

}  // namespace aquifer::kube
