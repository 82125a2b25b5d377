#include "cli/convert/edit.h"

#include <utility>

namespace aquifer::cli {

const OrderedJson* Find(const OrderedJson* object, std::string_view key) {
  if (object == nullptr || !object->is_object()) return nullptr;
  for (const auto& [name, value] : object->items()) {
    if (name == key) return value.is_null() ? nullptr : &value;
  }
  return nullptr;
}

OrderedJson* Find(OrderedJson* object, std::string_view key) {
  return const_cast<OrderedJson*>(Find(static_cast<const OrderedJson*>(object), key));
}

std::string TextOf(const OrderedJson* object, std::string_view key) {
  const OrderedJson* value = Find(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

std::vector<const OrderedJson*> ObjectsOf(const OrderedJson* object, std::string_view key) {
  std::vector<const OrderedJson*> items;
  const OrderedJson* list = Find(object, key);
  if (list == nullptr || !list->is_array()) return items;
  for (const OrderedJson& item : *list) {
    if (item.is_object()) items.push_back(&item);
  }
  return items;
}

std::vector<OrderedJson*> ObjectsOf(OrderedJson* object, std::string_view key) {
  std::vector<OrderedJson*> items;
  for (const OrderedJson* item : ObjectsOf(static_cast<const OrderedJson*>(object), key))
    items.push_back(const_cast<OrderedJson*>(item));
  return items;
}

std::optional<OrderedJson> Take(OrderedJson& object, std::string_view key) {
  OrderedJson* member = Find(&object, key);
  if (member == nullptr) return std::nullopt;
  OrderedJson taken = std::move(*member);
  object.erase(std::string(key));
  return taken;
}

bool Rename(OrderedJson& object, std::string_view from, std::string_view to) {
  if (Find(&object, from) == nullptr || Find(&object, to) != nullptr) return false;
  OrderedJson renamed = OrderedJson::object();
  for (auto& [key, value] : object.items())
    renamed[key == from ? std::string(to) : key] = std::move(value);
  object = std::move(renamed);
  return true;
}

void PutFirst(OrderedJson& object, std::string_view key, OrderedJson value) {
  OrderedJson changed = OrderedJson::object();
  changed[std::string(key)] = std::move(value);
  for (auto& [name, member] : object.items()) {
    if (name != key) changed[name] = std::move(member);
  }
  object = std::move(changed);
}

std::string ManifestName::ToString() const {
  return kind + " " + (name_space.empty() ? name : name_space + "/" + name);
}

ManifestName NameOf(const OrderedJson& object, const std::string& name_space) {
  ManifestName name;
  name.api_version = TextOf(&object, "apiVersion");
  name.kind = TextOf(&object, "kind");
  const OrderedJson* metadata = Find(&object, "metadata");
  name.name = TextOf(metadata, "name");
  name.name_space = TextOf(metadata, "namespace");
  if (name.name_space.empty() && name.kind != "GatewayClass" && name.kind != "Namespace")
    name.name_space = name_space;
  return name;
}

}  // namespace aquifer::cli
