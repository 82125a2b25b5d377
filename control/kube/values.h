// What control uses of kube/ to read values, under its own names.
#pragma once

#include "kube/fields.h"
#include "kube/json_text.h"
#include "kube/yaml.h"
#include "kube/yaml_scalar.h"

namespace aquifer::control {

using kube::Fields;
using kube::IsUtf8;
using kube::Json;
using kube::JsonLimits;
using kube::kMaxMapEntries;
using kube::kMaxNameText;
using kube::kMaxText;
using kube::PlainScalar;
using kube::PrintableText;
using kube::ReadJson;
using kube::ReadYaml;
using kube::TextMap;
using kube::WriteJson;
using kube::YamlDocument;
using kube::YamlLimits;

}  // namespace aquifer::control
