#include "kube/json_text.h"

#include <string>
#include <utility>

namespace aquifer::kube {
namespace {

// Says to the parser what to keep. It has no way to stop it: behind a limit everything is let go
// of, so that memory stays bounded while the rest is read over.
class Keeper {
 public:
  explicit Keeper(const JsonLimits& limits) : limits_(limits) {}

  bool Keep(int depth, Json::parse_event_t event, const Json& parsed) {
    using Event = Json::parse_event_t;
    if (depth > limits_.depth) too_deep_ = true;
    if (event != Event::object_end && event != Event::array_end) ++values_;
    if (too_deep_ || values_ > limits_.values) return false;
    return event != Event::key || parsed.get_ref<const std::string&>() != "managedFields";
  }

  std::optional<Refusal> refusal() const {
    if (too_deep_)
      return Refusal{"", "nested deeper than " + std::to_string(limits_.depth) + " levels"};
    if (values_ > limits_.values)
      return Refusal{"", "more than " + std::to_string(limits_.values) + " values"};
    return std::nullopt;
  }

 private:
  const JsonLimits limits_;
  size_t values_ = 0;
  bool too_deep_ = false;
};

}  // namespace

Decoded<Json> ReadJson(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.bytes)
    return Refusal{"", "larger than " + std::to_string(limits.bytes) + " bytes"};
  Keeper keeper(limits);
  const Json::parser_callback_t keep = [&keeper](int depth, Json::parse_event_t event,
                                                 const Json& parsed) {
    return keeper.Keep(depth, event, parsed);
  };
  Json value = Json::parse(text, keep, /*allow_exceptions=*/false);
  if (auto refusal = keeper.refusal()) return *std::move(refusal);
  if (value.is_discarded()) return Refusal{"", "not JSON"};
  return value;
}

std::string WriteJson(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace aquifer::kube
