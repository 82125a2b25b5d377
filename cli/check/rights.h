// What the user of a kubeconfig has to be allowed for the commands of this program, asked of the
// API server one by one (SelfSubjectAccessReview). Values; the Loop's thread.
#pragma once

#include <string>
#include <vector>

#include "cli/check/judge.h"
#include "cli/cluster.h"

namespace aquifer::cli {

struct Right {
  std::string verb;
  std::string group;  // empty: the core
  std::string resource;
  std::string name_space;  // empty: in all

  std::string ToString() const;  // "create daemonsets.apps in aquifer-system"
};

// Of kinds that the API server does not have yet there are none.
Task<Answer<std::vector<Right>>> InstallRights(Cluster& cluster, StopToken stop);
// To list what the mesh is made of.
std::vector<Right> StatusRights();

// Those of `rights` that the user does not have.
Task<Answer<std::vector<Right>>> MissingRights(Cluster& cluster, std::vector<Right> rights,
                                               StopToken stop);

// `verdict` is that of a right that is missing; `command` what needs it.
Finding JudgeRights(const std::vector<Right>& missing, const std::string& command, Verdict verdict);

}  // namespace aquifer::cli
