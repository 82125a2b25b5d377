// The spellings that the API server demands of names and of labels. Pure functions; any thread.
#pragma once

#include <string_view>

namespace aquifer::kube {

// RFC 1123 as Kubernetes reads it: lower case letters, digits and '-', at most 63 bytes.
bool IsDnsLabel(std::string_view text);
// Labels joined by dots, at most 253 bytes: the form of most object names.
bool IsDnsSubdomain(std::string_view text);
// Of a label: up to 63 bytes, letters, digits, '-', '_' and '.', alphanumeric at both ends; or
// empty.
bool IsLabelValue(std::string_view text);

}  // namespace aquifer::kube
