// A traceparent header from any client: what is accepted prints as a header that reads the same.
#include <cstddef>
#include <cstdint>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/obs/trace_context.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, size_t size) {
  using namespace aquifer;
  const auto context = obs::TraceContext::Parse(AsText({data, size}));
  if (context) AQ_CHECK(obs::TraceContext::Parse(context->ToString()) == context);
  return 0;
}
