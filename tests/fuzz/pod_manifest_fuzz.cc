// A manifest file as somebody wrote it. Whatever it holds, names that come out are names, and every
// refusal says where it is.
#include <cstddef>
#include <cstdint>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "redirect/pod_manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, size_t size) {
  const auto read = aquifer::redirect::ReadPodManifests(aquifer::AsText({data, size}));
  for (const auto& pod : read.pods) AQ_CHECK(aquifer::redirect::CheckPodInfo(pod.info).ok());
  for (const auto& ns : read.namespaces) AQ_CHECK(!ns.name.empty());
  for (const auto& refusal : read.refusals) AQ_CHECK(!refusal.field.empty());
  return 0;
}
