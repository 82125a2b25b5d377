// gateway.networking.k8s.io/v1alpha2, v1alpha3 and v1beta1 as v1, and Istio's kinds, whose fields
// have stayed what they were. Pure; any thread.
#pragma once

#include "cli/convert/alpha1.h"

namespace aquifer::cli {

// `object` names its version; the caller changes it.
Decoded<Rewritten> RewriteAlpha2(OrderedJson object);

}  // namespace aquifer::cli
