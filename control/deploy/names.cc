#include "control/deploy/names.h"

#include <algorithm>

#include "control/deploy/settings.h"
#include "control/names.h"
#include "control/resources.h"

namespace aquifer::control {
namespace {

constexpr size_t kMaxName = 63;  // of a Service, and of the value of a label
constexpr size_t kHashDigits = 8;

bool IsServiceName(std::string_view name) {
  return IsDnsLabel(name) && name.front() >= 'a' && name.front() <= 'z';
}

// A Gateway's name may be longer than a Service's, hold dots and begin with a digit; the hash keeps
// apart what becomes alike.
std::string ServiceNameOf(const std::string& name) {
  if (IsServiceName(name)) return name;
  std::string fit = "gw-" + name;
  if (name.front() >= 'a' && name.front() <= 'z') fit = name;
  std::replace(fit.begin(), fit.end(), '.', '-');
  fit.resize(std::min(fit.size(), kMaxName - kHashDigits - 1));
  while (fit.back() == '-') fit.pop_back();
  return fit + "-" + ContentVersion(name).substr(0, kHashDigits);
}

DeployProblem BadOverride(std::string_view annotation) {
  return {std::string(kInvalidParameters),
          "annotation " + std::string(annotation) + " is not a name that a Service may have"};
}

}  // namespace

bool IsManual(const Gateway& gateway) {
  const auto& addresses = gateway.addresses;
  return addresses.size() > 1 || (addresses.size() == 1 && addresses[0].type != "IPAddress");
}

Result<DeploymentNames, DeployProblem> NamesOf(const Gateway& gateway, GatewayRole role,
                                               const NameWitness& witness) {
  const Meta& meta = gateway.meta;
  if (meta.name.size() > kMaxName) {
    return DeployProblem{std::string(kUnsupportedName),
                         "the name is longer than 63 characters, so no label can hold it"};
  }
  DeploymentNames names;
  names.service_account = LabelOf(meta.annotations, kAccountOverride);
  names.own_account = names.service_account.empty();
  if (!names.own_account && !IsDnsSubdomain(names.service_account))
    return BadOverride(kAccountOverride);
  const auto taken = [&](const std::string& name) {
    return (names.own_account && witness.taken(DeployedKind::kServiceAccount, name)) ||
           witness.taken(DeployedKind::kDeployment, name) ||
           witness.taken(DeployedKind::kService, name);
  };
  const std::string override_name(LabelOf(meta.annotations, kNameOverride));
  const std::string short_name = ServiceNameOf(meta.name);
  names.name = ServiceNameOf(meta.name + "-" + gateway.class_name);
  if (!override_name.empty()) {
    if (!IsServiceName(override_name)) return BadOverride(kNameOverride);
    names.name = override_name;
  } else if (role == GatewayRole::kWaypoint && !meta.annotations.contains(kForServiceAccount)) {
    const bool stays = !witness.ours(short_name) && witness.ours(names.name);
    if (!stays && !taken(short_name)) names.name = short_name;
  }
  if (taken(names.name)) {
    return DeployProblem{std::string(kNameTaken),
                         "an object called " + names.name + " is there and is not this Gateway's"};
  }
  if (names.own_account) names.service_account = names.name;
  return names;
}

}  // namespace aquifer::control
