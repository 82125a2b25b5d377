// By which field the elements of a list in a Kubernetes object are told apart, where they are: such
// lists are merged element by element, others are replaced as a whole. Pure; any thread.
#pragma once

#include <string_view>

#include "control/kube/values.h"

namespace aquifer::control {

// Whether the elements of the list `field` have a key; that of each is then its own mapping.
bool IsKeyed(std::string_view field);
// Whether two elements of that list are the same one.
bool IsSameElement(std::string_view field, const Json& a, const Json& b);
// The element of `list` that `element` is, or null.
const Json* FindElement(std::string_view field, const Json& list, const Json& element);

}  // namespace aquifer::control
