// Where the API server is and as whom we ask it: from the service account of a pod, or from a
// kubeconfig. What may be rotated in place (token, roots, certificate) stays the path of its file
// and is read again with each connection or request. Values; any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace aquifer::kube {

struct ClusterAccess {
  std::string address;      // host:port
  std::string host_name;    // what the server's certificate must say
  std::string path;         // in front of every path, without a slash at its end; mostly empty
  std::string roots;        // as certs::RootsFrom takes it
  std::string token;        // as certs::TokenFrom takes it; empty: none
  std::string certificate;  // as certs::RootsFrom takes it; empty: none
  std::string key;          // likewise

  friend bool operator==(const ClusterAccess&, const ClusterAccess&) = default;
};

// The value of an environment variable, if it is set.
using Environment = std::function<std::optional<std::string>(const char* name)>;
// An Environment: that of this process.
std::optional<std::string> ProcessVariable(const char* name);

// Of the pod that this process runs in. `account` is the folder of its service account.
Decoded<ClusterAccess> AccessInCluster(const Environment& environment, const std::string& account);

// The current context of a kubeconfig's text; relative paths in it are `folder`'s. What would have
// to run a program or leave the server unchecked is refused.
Decoded<ClusterAccess> AccessFromKubeconfig(std::string_view text, const std::string& folder);

inline constexpr std::string_view kInCluster = "in-cluster";

// The word in-cluster, or the path of a kubeconfig.
Decoded<ClusterAccess> FindAccess(const std::string& setting);

}  // namespace aquifer::kube
