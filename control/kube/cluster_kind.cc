#include "control/kube/cluster_kind.h"

namespace aquifer::control {

KindSpec SpecOf(const DecoderRow& row) {
  KindSpec spec;
  spec.group = row.group;
  for (const std::string_view version : row.versions) spec.versions.emplace_back(version);
  spec.plural = row.plural;
  spec.kind = row.kind;
  return spec;
}

}  // namespace aquifer::control
