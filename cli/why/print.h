// An explanation as text, hop by hop with the verdict in the last line, and as a document.
#pragma once

#include <string>

#include "cli/output.h"
#include "cli/why/explanation.h"

namespace aquifer::cli {

void Print(const Explanation& explanation, Output& out);
OrderedJson DocumentOf(const Explanation& explanation);
// The last line: "DENIED by AuthorizationPolicy shop/p rule 1 (spec.rules[0]): it denies ...".
std::string VerdictOf(const Explanation& explanation);

}  // namespace aquifer::cli
