#include "control/deploy/strategic_merge.h"

#include <string>
#include <utility>

#include "control/deploy/list_keys.h"
#include "control/kube/values.h"

namespace aquifer::control {
namespace {

constexpr std::string_view kDirective = "$patch";
constexpr int kMaxDepth = 40;  // as deep as its text can be

enum class Directive : std::uint8_t { kMerge, kReplace, kDelete };

class Merger {
 public:
  Result<void, Refusal> Merge(Json& target, const Json& patch, const std::string& path, int depth) {
    if (depth > kMaxDepth) return Refusal{path, "is nested too deeply"};
    for (const auto& [key, value] : patch.items()) {
      if (key == kDirective) continue;  // was followed by the caller
      const std::string at = (path.empty() ? "" : path + ".") + PrintableText(key);
      if (key.starts_with('$')) return Refusal{at, "is a directive that is not followed here"};
      AQ_TRY_STATUS(MergeField(target, key, value, at, depth + 1));
    }
    return {};
  }

 private:
  static Decoded<Directive> DirectiveOf(const Json& patch, const std::string& path) {
    if (!patch.is_object() || !patch.contains(kDirective)) return Directive::kMerge;
    const Json& word = patch.at(std::string(kDirective));
    if (word == "merge") return Directive::kMerge;
    if (word == "replace") return Directive::kReplace;
    if (word == "delete") return Directive::kDelete;
    return Refusal{path + "." + std::string(kDirective), "is none of merge, replace, delete"};
  }

  Result<void, Refusal> MergeField(Json& target, const std::string& key, const Json& value,
                                   const std::string& at, int depth) {
    if (value.is_null()) {
      target.erase(key);
      return {};
    }
    const auto there = target.find(key);
    const bool fits =
        there == target.end() || there->is_null() ||
        (there->is_object() == value.is_object() && there->is_array() == value.is_array());
    if (!fits) return Refusal{at, "has another type there"};
    if (value.is_object()) return MergeMapping(target, key, value, at, depth);
    if (value.is_array() && IsKeyed(key)) return MergeList(target[key], key, value, at, depth);
    target[key] = value;
    return {};
  }

  Result<void, Refusal> MergeMapping(Json& target, const std::string& key, const Json& value,
                                     const std::string& at, int depth) {
    AQ_TRY(const Directive directive, DirectiveOf(value, at));
    if (directive == Directive::kDelete) {
      target.erase(key);
      return {};
    }
    Json& place = target[key];
    if (directive == Directive::kReplace || place.is_null()) place = Json::object();
    return Merge(place, value, at, depth);
  }

  Result<void, Refusal> MergeList(Json& list, const std::string& field, const Json& patch,
                                  const std::string& at, int depth) {
    if (list.is_null()) list = Json::array();
    for (const Json& element : patch) {
      if (!element.is_object()) return Refusal{at, "has an element that is not a mapping"};
      AQ_TRY(const Directive directive, DirectiveOf(element, at));
      // An element that is nothing but this word speaks of the list.
      if (directive == Directive::kReplace && element.size() == 1) {
        list = Json::array();
        continue;
      }
      AQ_TRY_STATUS(MergeElement(list, field, element, directive, at, depth));
    }
    return {};
  }

  Result<void, Refusal> MergeElement(Json& list, const std::string& field, const Json& element,
                                     Directive directive, const std::string& at, int depth) {
    if (!IsSameElement(field, element, element))
      return Refusal{at, "has an element without its key"};
    Json* place = nullptr;
    for (Json& other : list) {
      if (place == nullptr && IsSameElement(field, element, other)) place = &other;
    }
    if (directive == Directive::kDelete) {
      if (place != nullptr) list.erase(static_cast<size_t>(place - &list.front()));
      return {};
    }
    if (place == nullptr) {
      list.push_back(Json::object());
      place = &list.back();
    } else if (directive == Directive::kReplace) {
      *place = Json::object();
    }
    return Merge(*place, element, at, depth);
  }
};

}  // namespace

Result<void, Refusal> StrategicMerge(Json& target, const Json& patch) {
  return Merger().Merge(target, patch, "", 0);
}

}  // namespace aquifer::control
