#include "redirect/ordered_json.h"

#include <algorithm>

namespace aquifer::redirect {
namespace {

// The parser asks what to keep and cannot be told to stop: behind a bound nothing is kept, so that
// memory stays bounded while the rest is read over.
class Keeper {
 public:
  explicit Keeper(const JsonBounds& bounds) : bounds_(bounds) {}

  bool Keep(int depth, OrderedJson::parse_event_t event) {
    using Event = OrderedJson::parse_event_t;
    if (depth > bounds_.depth) too_deep_ = true;
    if (event != Event::object_end && event != Event::array_end) ++values_;
    return !too_deep_ && !too_many();
  }
  bool too_deep() const { return too_deep_; }
  bool too_many() const { return values_ > bounds_.values; }

 private:
  const JsonBounds bounds_;
  size_t values_ = 0;
  bool too_deep_ = false;
};

}  // namespace

Decoded<OrderedJson> ReadOrderedJson(std::string_view text, const JsonBounds& bounds) {
  if (text.size() > bounds.bytes)
    return Refusal{"", "is larger than " + std::to_string(bounds.bytes) + " bytes"};
  Keeper keeper(bounds);
  const OrderedJson::parser_callback_t keep = [&keeper](int depth, OrderedJson::parse_event_t event,
                                                        const OrderedJson&) {
    return keeper.Keep(depth, event);
  };
  OrderedJson value = OrderedJson::parse(text, keep, /*allow_exceptions=*/false);
  if (keeper.too_deep())
    return Refusal{"", "is nested deeper than " + std::to_string(bounds.depth) + " levels"};
  if (keeper.too_many())
    return Refusal{"", "has more than " + std::to_string(bounds.values) + " values"};
  if (value.is_discarded()) return Refusal{"", "is not JSON"};
  if (!value.is_object()) return Refusal{"", "is not a JSON object"};
  return value;
}

const OrderedJson* MemberOf(const OrderedJson& object, std::string_view key) {
  for (const auto& [name, value] : object.items()) {
    if (name == key) return value.is_null() ? nullptr : &value;
  }
  return nullptr;
}

Decoded<std::string> TextOf(const OrderedJson& object, std::string_view key, size_t max) {
  const OrderedJson* const value = MemberOf(object, key);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return Refusal{std::string(key), "is not text"};
  const auto& text = value->get_ref<const std::string&>();
  if (text.size() > max)
    return Refusal{std::string(key), "is longer than " + std::to_string(max) + " bytes"};
  const auto is_control = [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; };
  if (std::any_of(text.begin(), text.end(), is_control))
    return Refusal{std::string(key), "has a control character in it"};
  return text;
}

}  // namespace aquifer::redirect
