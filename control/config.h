// The flags of aquifer-control, one row each in config.cc. Values.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "control/deploy/settings.h"
#include "control/reconcile/settings.h"
#include "core/base/address.h"
#include "core/base/result.h"
#include "core/obs/log_format.h"
#include "core/rt/backend.h"

namespace aquifer::control {

struct ControlConfig {
  // Where the objects come from: one of the two.
  std::string manifests;
  std::string kubernetes;  // as FindAccess (kube/access.h) takes it
  // Of a cluster's tokens: whom they are for, and whose pods are node proxies (namespace, account).
  std::string token_audience = "istio-ca";
  std::set<std::pair<std::string, std::string>> node_accounts = {
      {"aquifer-system", "aquifer-node"}, {"istio-system", "ztunnel"}, {"kube-system", "ztunnel"}};
  // Of a cluster: whether a leader is elected and writes to it, and where its Lease is; empty:
  // where this pod is.
  bool cluster_writes = true;
  std::string leader_namespace;
  std::string state = "/var/lib/aquifer";
  std::pair<std::string, std::string> ca_secret;  // namespace, name; empty: the CA of `state`
  Address listen{Ip::Any4(), 15012};
  Address admin{Ip::Any4(), 15014};
  std::string host_names =
      "localhost,istiod.istio-system.svc,aquifer-control.aquifer-system.svc";  // of our own
                                                                               // certificate, with
                                                                               // the listen address
  MeshSettings mesh;
  DeploySettings deploy;
  obs::LogFormat log_format = obs::LogFormat::kText;
  std::string log_levels = "info";
  std::optional<BackendKind> io_backend;  // none: what the kernel has
  bool help = false;
  bool check = false;  // read the manifests once, say what is wrong with them, and end
};

std::string HelpText();
// The refusal's field is the flag.
Decoded<ControlConfig> ParseFlags(std::span<char* const> arguments);

}  // namespace aquifer::control
