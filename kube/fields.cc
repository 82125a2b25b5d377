#include "kube/fields.h"

#include <algorithm>

#include "kube/names.h"
#include "kube/yaml_scalar.h"

namespace aquifer::kube {
namespace {

std::string_view TypeWord(const Json& value) {
  if (value.is_object()) return "a mapping";
  if (value.is_array()) return "a list";
  if (value.is_string()) return "text";
  if (value.is_boolean()) return "a boolean";
  return "a number";
}

bool HasControlCharacter(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; });
}

std::string Between(std::int64_t low, std::int64_t high) {
  return "from " + std::to_string(low) + " to " + std::to_string(high);
}

}  // namespace

Fields::Fields(const Json* value, std::string path, std::optional<Refusal>& refusal)
    : path_(std::move(path)), refusal_(&refusal) {
  if (value == nullptr || value->is_null()) return;
  if (value->is_object()) {
    object_ = value;
  } else {
    RefuseHere("expected a mapping, got " + std::string(TypeWord(*value)));
  }
}

std::string Fields::PathOf(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

const Json* Fields::Find(std::string_view key) {
  asked_.push_back(key);
  if (object_ == nullptr || refused()) return nullptr;
  const auto found = object_->find(key);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

std::string Fields::Text(std::string_view key, std::string_view fallback, size_t max) {
  const Json* value = Find(key);
  return value == nullptr ? std::string(fallback) : CheckText(*value, key, max);
}

std::string Fields::RequiredText(std::string_view key, size_t max) {
  std::string text = Text(key, "", max);
  if (text.empty()) Refuse(key, "is required");
  return text;
}

std::optional<std::string> Fields::OptionalText(std::string_view key, size_t max) {
  const Json* value = Find(key);
  if (value == nullptr) return std::nullopt;
  return CheckText(*value, key, max);
}

std::string Fields::Word(std::string_view key, std::string_view fallback,
                         const std::vector<std::string_view>& allowed) {
  std::string text = Text(key, fallback);
  if (refused() || std::find(allowed.begin(), allowed.end(), text) != allowed.end()) return text;
  std::string list;
  for (const std::string_view word : allowed)
    list += (list.empty() ? "" : ", ") + std::string(word);
  Refuse(key, "\"" + PrintableText(text) + "\" is none of " + list);
  return std::string(fallback);
}

std::int64_t Fields::Number(std::string_view key, std::int64_t fallback, std::int64_t low,
                            std::int64_t high) {
  const Json* value = Find(key);
  return value == nullptr ? fallback : CheckNumber(*value, key, low, high);
}

std::int64_t Fields::RequiredNumber(std::string_view key, std::int64_t low, std::int64_t high) {
  const Json* value = Find(key);
  if (value != nullptr) return CheckNumber(*value, key, low, high);
  Refuse(key, "is required");
  return low;
}

std::optional<std::int64_t> Fields::OptionalNumber(std::string_view key, std::int64_t low,
                                                   std::int64_t high) {
  const Json* value = Find(key);
  if (value == nullptr) return std::nullopt;
  return CheckNumber(*value, key, low, high);
}

bool Fields::Flag(std::string_view key, bool fallback) {
  const Json* value = Find(key);
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  Refuse(key, "expected true or false, got " + std::string(TypeWord(*value)));
  return fallback;
}

std::vector<std::string> Fields::Texts(std::string_view key, size_t max_items, size_t max) {
  std::vector<std::string> texts;
  const Json* list = List(key, max_items);
  if (list == nullptr) return texts;
  for (size_t i = 0; i < list->size() && !refused(); ++i) {
    texts.push_back(CheckText((*list)[i], std::string(key) + "[" + std::to_string(i) + "]", max));
  }
  return texts;
}

TextMap Fields::TextEntries(std::string_view key, size_t max_value) {
  TextMap entries;
  const Json* value = Find(key);
  if (value == nullptr) return entries;
  if (!value->is_object()) {
    Refuse(key, "expected a mapping, got " + std::string(TypeWord(*value)));
    return entries;
  }
  if (value->size() > kMaxMapEntries) {
    Refuse(key, "more than " + std::to_string(kMaxMapEntries) + " entries");
    return entries;
  }
  for (const auto& [name, text] : value->items()) {
    const std::string entry = std::string(key) + "[" + PrintableText(name) + "]";
    if (name.empty() || name.size() > 317 || HasControlCharacter(name))
      Refuse(entry, "not a usable key");
    entries[name] = text.is_null() ? "" : CheckText(text, entry, max_value);
    if (refused()) break;
  }
  return entries;
}

TextMap Fields::LabelEntries(std::string_view key) {
  TextMap labels = TextEntries(key, 63);
  for (const auto& [name, value] : labels) {
    if (!IsLabelValue(value))
      Refuse(std::string(key) + "[" + PrintableText(name) + "]", "is not a valid label value");
  }
  return labels;
}

Fields Fields::Object(std::string_view key) { return Fields(Find(key), PathOf(key), *refusal_); }

void Fields::RefuseOthers() {
  if (object_ == nullptr || refused()) return;
  for (const auto& [name, value] : object_->items()) {
    if (std::find(asked_.begin(), asked_.end(), name) == asked_.end()) {
      return Refuse(PrintableText(name), "is not a field of this object");
    }
  }
}

void Fields::Refuse(std::string_view key, std::string why) {
  if (!refused()) *refusal_ = Refusal{PathOf(key), std::move(why)};
}

void Fields::RefuseHere(std::string why) {
  if (!refused()) *refusal_ = Refusal{path_, std::move(why)};
}

const Json* Fields::List(std::string_view key, size_t max_items) {
  const Json* value = Find(key);
  if (value == nullptr) return nullptr;
  if (!value->is_array()) {
    Refuse(key, "expected a list, got " + std::string(TypeWord(*value)));
    return nullptr;
  }
  if (value->size() > max_items) {
    Refuse(key, "more than " + std::to_string(max_items) + " items");
    return nullptr;
  }
  return value;
}

std::string Fields::CheckText(const Json& value, std::string_view key, size_t max) {
  if (!value.is_string()) {
    Refuse(key, "expected text, got " + std::string(value.is_null() ? "nothing" : TypeWord(value)) +
                    (value.is_structured() || value.is_null() ? "" : "; put it in quotes"));
    return "";
  }
  const auto& text = value.get_ref<const std::string&>();
  if (text.size() > max) {
    Refuse(key, "longer than " + std::to_string(max) + " bytes");
    return "";
  }
  if (HasControlCharacter(text)) {
    Refuse(key, "has a control character in it");
    return "";
  }
  return text;
}

std::int64_t Fields::CheckNumber(const Json& value, std::string_view key, std::int64_t low,
                                 std::int64_t high) {
  if (!value.is_number_integer()) {
    Refuse(key, "expected a whole number, got " + std::string(TypeWord(value)));
    return low;
  }
  const bool too_big = value.is_number_unsigned() &&
                       value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX);
  const std::int64_t number = too_big ? INT64_MAX : value.get<std::int64_t>();
  if (number >= low && number <= high) return number;
  Refuse(key, "must be " + Between(low, high));
  return low;
}

}  // namespace aquifer::kube
