// A manifest file of anybody's making, through everything that the control plane does with it:
// documents, objects, resources, statuses. Nothing in it may crash, hang or escape the bounds, and
// what was accepted must always become resources.
#include <string_view>
#include <utility>

#include "control/manifest.h"
#include "control/reconcile/reconcile.h"
#include "core/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aquifer::control;
  Manifest manifest = ReadManifest("fuzz.yaml", {reinterpret_cast<const char*>(data), size});
  for (const ManifestRefusal& refusal : manifest.refusals) AQ_CHECK(!refusal.ToString().empty());
  ObjectSet objects;
  for (Object& object : manifest.objects) objects.Add(std::move(object));
  Reconciled reconciled = Reconcile(objects, {});
  AQ_CHECK(!StatusJson(reconciled.statuses).empty());
  const auto table = ResourceTable::Build(std::move(reconciled.resources), ResourceTable());
  for (size_t i = 0; i < kResourceTypeCount; ++i) {
    const auto type = static_cast<ResourceType>(i);
    for (const auto& [name, resource] : table->Of(type))
      AQ_CHECK(!table->Resolve(type, name).empty());
  }
  return 0;
}
