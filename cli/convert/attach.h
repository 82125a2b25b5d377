// Gateways of networking.x-k8s.io/v1alpha1 chose their routes, by label and namespace, and a route
// could only allow them to; since v1alpha2 routes name their Gateways. This finds who chose a
// route. Values; one thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/convert/edit.h"
#include "control/objects.h"

namespace aquifer::cli {

// The names that the listeners of such a Gateway get, which had none: "http", or with their ports
// where several speak the same.
std::vector<std::string> ListenerNames(const OrderedJson& gateway);

class Choosers {
 public:
  // `name_space` is that of objects which name none.
  explicit Choosers(std::string name_space) : name_space_(std::move(name_space)) {}

  // Remembers what the choice depends on: such Gateways, and Namespaces with their labels.
  void Add(const OrderedJson& object);

  struct Choice {
    OrderedJson parents = OrderedJson::array();  // parentRefs
    std::string unknown;  // why a Gateway may be missing among them; empty: none is
  };
  Choice Of(const OrderedJson& route) const;

 private:
  struct Listener {
    std::string name;
    std::string kind;  // of the routes
    std::string from;  // Same, All or Selector
    std::optional<control::LabelSelector> namespaces;
    std::optional<control::LabelSelector> routes;  // none: it cannot be read
  };
  struct Gateway {
    std::string name_space;
    std::string name;
    std::vector<Listener> listeners;
  };
  struct Route {
    ManifestName name;
    control::Labels labels;
  };

  bool Chooses(const Gateway& gateway, const Listener& listener, const Route& route,
               std::string& unknown) const;
  static bool Allows(const OrderedJson& route, const ManifestName& name, const Gateway& gateway);

  const std::string name_space_;
  std::vector<Gateway> gateways_;
  std::map<std::string, control::Labels> namespaces_;
};

// {name}, with the namespace where it is another than `route_space`.
OrderedJson ParentRef(const std::string& name_space, const std::string& name,
                      const std::string& route_space);

}  // namespace aquifer::cli
