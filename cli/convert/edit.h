// Changes to a manifest that keep the order in which its author wrote it. What has not the shape
// that a change expects stays as it is: whoever serves the kind says what is wrong with it. Pure;
// any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kube/yaml_text.h"

namespace aquifer::cli {

using kube::OrderedJson;

// A member of an object; null where there is none.
OrderedJson* Find(OrderedJson* object, std::string_view key);
const OrderedJson* Find(const OrderedJson* object, std::string_view key);
// Its text; "" where it is none.
std::string TextOf(const OrderedJson* object, std::string_view key);
// The items of a list that are objects; none where it is no list.
std::vector<OrderedJson*> ObjectsOf(OrderedJson* object, std::string_view key);
std::vector<const OrderedJson*> ObjectsOf(const OrderedJson* object, std::string_view key);

// Takes a member out.
std::optional<OrderedJson> Take(OrderedJson& object, std::string_view key);
// The member keeps its place. False where `from` is not there or `to` is.
bool Rename(OrderedJson& object, std::string_view from, std::string_view to);
// Puts a member before all others.
void PutFirst(OrderedJson& object, std::string_view key, OrderedJson value);

// An object of a manifest by what it calls itself.
struct ManifestName {
  std::string api_version;
  std::string kind;
  std::string name_space;
  std::string name;

  std::string ToString() const;  // "Gateway default/x"
};
// `name_space` is that of an object which names none.
ManifestName NameOf(const OrderedJson& object, const std::string& name_space);

}  // namespace aquifer::cli
