// Reads one JSON object field by field into typed values, for the decoders of Kubernetes objects.
// The first thing that is wrong is kept as a Refusal with the path of the field, and everything
// read afterwards is a default: a decoder reads straight through and asks once at the end. A view:
// the JSON and the refusal slot outlive it. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.h"

namespace aquifer::kube {

using Json = nlohmann::json;
using TextMap = std::map<std::string, std::string, std::less<>>;

// Bounds that the API server or our own memory set.
inline constexpr size_t kMaxText = 4096;
inline constexpr size_t kMaxNameText = 253;
inline constexpr size_t kMaxMapEntries = 256;

class Fields {
 public:
  // `value` may be null for "not there". Anything but an object is refused.
  Fields(const Json* value, std::string path, std::optional<Refusal>& refusal);

  bool present() const { return object_ != nullptr; }
  bool refused() const { return refusal_->has_value(); }
  const std::string& path() const { return path_; }
  std::string PathOf(std::string_view key) const;

  // Of `key`: null if absent or null, which Kubernetes takes for the same.
  const Json* Find(std::string_view key);
  bool Has(std::string_view key) { return Find(key) != nullptr; }

  // Text of at most `max` bytes without control characters, or `fallback`.
  std::string Text(std::string_view key, std::string_view fallback = "", size_t max = kMaxText);
  std::string RequiredText(std::string_view key, size_t max = kMaxText);
  std::optional<std::string> OptionalText(std::string_view key, size_t max = kMaxText);
  // One of `allowed`; what is not is refused with the list.
  std::string Word(std::string_view key, std::string_view fallback,
                   const std::vector<std::string_view>& allowed);

  std::int64_t Number(std::string_view key, std::int64_t fallback, std::int64_t low,
                      std::int64_t high);
  std::int64_t RequiredNumber(std::string_view key, std::int64_t low, std::int64_t high);
  std::optional<std::int64_t> OptionalNumber(std::string_view key, std::int64_t low,
                                             std::int64_t high);
  bool Flag(std::string_view key, bool fallback);

  std::vector<std::string> Texts(std::string_view key, size_t max_items, size_t max = kMaxText);
  TextMap TextEntries(std::string_view key, size_t max_value);
  // A mapping of labels, each value spelt as the API server demands.
  TextMap LabelEntries(std::string_view key);
  Fields Object(std::string_view key);

  // Calls `read(Fields item)` for each object of the list `key`.
  template <class Read>
  void ForEach(std::string_view key, size_t max_items, Read read) {
    const Json* list = List(key, max_items);
    if (list == nullptr) return;
    for (size_t i = 0; i < list->size() && !refused(); ++i) {
      Fields item(&(*list)[i], PathOf(key) + "[" + std::to_string(i) + "]", *refusal_);
      // A lone dash must not become an object with all its defaults: an empty rule of a policy
      // matches everything.
      if (!item.present()) item.RefuseHere("is empty");
      if (!refused()) read(item);
    }
  }

  // Refuses what nobody has asked for by now: a misspelt field of a policy must not be taken for an
  // absent one.
  void RefuseOthers();

  void Refuse(std::string_view key, std::string why);
  void RefuseHere(std::string why);

 private:
  const Json* List(std::string_view key, size_t max_items);
  std::string CheckText(const Json& value, std::string_view key, size_t max);
  std::int64_t CheckNumber(const Json& value, std::string_view key, std::int64_t low,
                           std::int64_t high);

  const Json* object_ = nullptr;
  std::string path_;
  std::optional<Refusal>* refusal_;
  std::vector<std::string_view> asked_;
};

}  // namespace aquifer::kube
