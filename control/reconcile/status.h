// What is to be said about an object in the words of its API: conditions with reasons, parents of a
// route, listeners of a gateway. Served on the admin port, logged when it changes, and written back
// to a cluster (control/write). Plain values.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "control/objects.h"

namespace aquifer::control {

struct Condition {
  std::string type;
  bool status = false;
  std::string reason;
  std::string message;

  friend bool operator==(const Condition&, const Condition&) = default;
};

struct ParentStatus {
  std::string parent;  // "Gateway istio-system/gateway", with "#<section>" and ":<port>" where the
                       // route names them
  std::vector<Condition> conditions;
  size_t index = 0;  // in spec.parentRefs

  friend bool operator==(const ParentStatus&, const ParentStatus&) = default;
};

struct ListenerStatus {
  std::string name;
  int attached_routes = 0;
  std::vector<std::string> supported_kinds;
  std::vector<Condition> conditions;

  friend bool operator==(const ListenerStatus&, const ListenerStatus&) = default;
};

struct StatusAddress {
  std::string type;  // "IPAddress" or "Hostname"
  std::string value;

  friend bool operator==(const StatusAddress&, const StatusAddress&) = default;
};

// The reason of kDeployed when the parameters of the Gateway cannot be used.
inline constexpr std::string_view kInvalidParameters = "InvalidParameters";

struct ObjectStatus {
  std::int64_t generation = 0;
  std::string uid;  // of the object; another one of the same name has its own status
  std::vector<Condition> conditions;
  std::vector<ParentStatus> parents;
  std::vector<ListenerStatus> listeners;
  std::vector<StatusAddress> addresses;
  std::vector<std::string> supported_features;  // of a GatewayClass
  // Of a Gateway: what is there about its deployment counts until somebody knows better.
  bool keeps_deployed = false;

  friend bool operator==(const ObjectStatus&, const ObjectStatus&) = default;
};

using StatusMap = std::map<ObjectKey, ObjectStatus>;

// Null if there is none of that type.
const Condition* FindCondition(const std::vector<Condition>& conditions, std::string_view type);

// A Gateway whose deployment is in that condition is not accepted if that is for its parameters.
void AcceptAsDeployed(const Condition& deployed, std::vector<Condition>& conditions);

// The array of /status: one object each, shaped as in Kubernetes.
std::string StatusJson(const StatusMap& statuses);

// One line for each condition that is new or other than before, for the log.
std::vector<std::string> DescribeChanges(const StatusMap& before, const StatusMap& after);

}  // namespace aquifer::control
