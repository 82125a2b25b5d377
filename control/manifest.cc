#include "control/manifest.h"

#include <algorithm>
#include <utility>

#include "control/decode/decode.h"
#include "control/kube/values.h"

namespace aquifer::control {
namespace {

std::string TextOf(const Json& object, std::string_view key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return "";
  const auto& text = found->get_ref<const std::string&>();
  return text.size() > kMaxNameText ? "" : text;
}

TypeMeta TypeOf(const Json& document) {
  const std::string api_version = TextOf(document, "apiVersion");
  const size_t slash = api_version.find('/');
  TypeMeta type;
  if (slash != std::string::npos) type.group = api_version.substr(0, slash);
  type.version = slash == std::string::npos ? api_version : api_version.substr(slash + 1);
  type.kind = TextOf(document, "kind");
  return type;
}

// Whatever can be said of the object in a message, before anything is known to be right.
std::string NameOf(const Json& document, const TypeMeta& type) {
  if (type.kind.empty()) return "";
  std::string name = PrintableText(type.kind);
  const auto metadata = document.find("metadata");
  if (metadata == document.end() || !metadata->is_object()) return name;
  const std::string object = PrintableText(TextOf(*metadata, "name"));
  const std::string space = PrintableText(TextOf(*metadata, "namespace"));
  if (object.empty()) return name;
  return name + " " + (space.empty() ? "" : space + "/") + object;
}

class Reader {
 public:
  Reader(std::string_view file, Manifest& manifest) : file_(file), manifest_(manifest) {}

  void Read(YamlDocument document) {
    document_ = document.number;
    line_ = document.line;
    if (!document.value.ok()) return Refuse("", document.value.error());
    ReadObject(*document.value, "");
  }

 private:
  void Refuse(std::string object, Refusal refusal, std::optional<ObjectKey> key = std::nullopt) {
    manifest_.refusals.push_back(
        {file_, document_, line_, std::move(object), std::move(key), std::move(refusal)});
  }

  void ReadObject(const Json& value, const std::string& list_item) {
    if (!value.is_object()) return Refuse("", {list_item, "not a Kubernetes object"});
    const TypeMeta type = TypeOf(value);
    const std::string name = NameOf(value, type);
    const auto at = [&](std::string_view field) {
      return list_item.empty() ? std::string(field) : list_item + "." + std::string(field);
    };
    if (type.version.empty()) return Refuse(name, {at("apiVersion"), "is required"});
    if (type.kind.empty()) return Refuse(name, {at("kind"), "is required"});
    if (type.group.empty() && type.kind == "List") return ReadList(value, list_item);
    const DecoderRow* row = FindDecoder(type);
    if (row == nullptr) return Skip(type);
    if (std::find(row->versions.begin(), row->versions.end(), type.version) ==
        row->versions.end()) {
      return Refuse(name, {at("apiVersion"), "\"" + PrintableText(type.version) +
                                                 "\" of this kind is not read; use \"" +
                                                 std::string(*row->versions.begin()) + "\""});
    }
    Decoded<Object> object = DecodeObject(value, *row);
    if (!object.ok()) {
      std::optional<Object> closed = ClosedObject(value, *row);
      if (closed) manifest_.closed.push_back(*std::move(closed));
    }
    if (!object.ok())
      return Refuse(name, {at(object.error().field), object.error().why},
                    KeyOfDocument(value, *row));
    manifest_.objects.push_back(*std::move(object));
  }

  void ReadList(const Json& list, const std::string& list_item) {
    if (!list_item.empty()) return Refuse("List", {list_item, "a List inside a List is not read"});
    const auto items = list.find("items");
    if (items == list.end() || items->is_null()) return;
    if (!items->is_array()) return Refuse("List", {"items", "expected a list"});
    for (size_t i = 0; i < items->size(); ++i)
      ReadObject((*items)[i], "items[" + std::to_string(i) + "]");
  }

  void Skip(const TypeMeta& type) {
    constexpr size_t kMaxSkipped = 64;
    if (manifest_.skipped.size() >= kMaxSkipped) return;
    manifest_.skipped.insert(PrintableText((type.group.empty() ? "" : type.group + "/") +
                                           type.version + " " + type.kind));
  }

  const std::string file_;
  Manifest& manifest_;
  int document_ = 0;
  int line_ = 0;
};

}  // namespace

std::string ManifestRefusal::ToString() const {
  std::string text = file;
  if (document > 0)
    text += ", document " + std::to_string(document) + " (line " + std::to_string(line) + ")";
  if (!object.empty()) text += ", " + object;
  return text + ": " + refusal.ToString();
}

Manifest ReadManifest(std::string_view file, std::string_view text, const YamlLimits& limits) {
  Manifest manifest;
  Reader reader(file, manifest);
  for (YamlDocument& document : ReadYaml(text, limits)) reader.Read(std::move(document));
  return manifest;
}

}  // namespace aquifer::control
