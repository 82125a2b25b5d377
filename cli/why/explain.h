// The way of a connection or request through the mesh, proxy by proxy, as the proxies themselves
// would decide it by what the control plane would serve them of these objects. Pure; what it cannot
// know (who is really ready, what a proxy has not heard yet) it takes from the objects.
#pragma once

#include "cli/why/explanation.h"
#include "cli/why/question.h"

namespace aquifer::cli {

// The refusal names what is not there.
Decoded<Explanation> Explain(const Model& model, const Question& question);

}  // namespace aquifer::cli
