// Metrics as a pod tells them through the API server: a number that is read is a finite one.
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "cli/metrics_text.h"
#include "core/base/bytes.h"
#include "core/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, size_t size) {
  using namespace aquifer;
  const auto value = cli::ReadSample(AsText({data, size}), "aquifer_certificates_available");
  if (value) AQ_CHECK(std::isfinite(*value));
  return 0;
}
