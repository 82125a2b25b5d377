// Manifests of anybody's making through aquifer convert: what is written reads back as what was
// meant, and what was wholly converted is not changed by a second time.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/convert/convert.h"
#include "core/base/check.h"
#include "kube/yaml.h"

namespace aquifer::cli {
namespace {

std::vector<OrderedJson> Read(std::string_view text) {
  std::vector<OrderedJson> objects;
  for (kube::OrderedYamlDocument& document : kube::ReadOrderedYaml(text, {})) {
    if (document.value.ok()) objects.push_back(*std::move(document.value));
  }
  return objects;
}

void CheckText(const OrderedJson& object) {
  const std::string text = kube::WriteYaml(object);
  // Deep lists and aliases grow by their indentation beyond what a reader takes.
  if (text.size() > 128 << 10) return;
  const std::vector<OrderedJson> again = Read(text);
  AQ_CHECK(again.size() == 1 && again[0] == object);
}

}  // namespace
}  // namespace aquifer::cli

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aquifer::cli;
  if (size > 16 << 10) return 0;
  ConvertOptions options;
  if (size % 2 == 0) options.gateway = {"edge", "main"};
  std::vector<OrderedJson> objects = Read({reinterpret_cast<const char*>(data), size});
  for (const OrderedJson& object : objects) CheckText(object);
  const Conversion once = Convert(std::move(objects), options);
  for (const OrderedJson& object : once.objects)
    AQ_CHECK(!aquifer::kube::WriteYaml(object).empty());
  if (!once.failed.empty()) return 0;
  const Conversion twice = Convert(once.objects, options);
  AQ_CHECK(twice.objects == once.objects && twice.done.empty() && twice.failed.empty());
  return 0;
}
