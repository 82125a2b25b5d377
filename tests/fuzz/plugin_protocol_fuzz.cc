// Packets of either end of the CNI plugin's socket. What is taken must survive being written and
// read again, and fit.
#include <cstddef>
#include <cstdint>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "redirect/plugin_protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, size_t size) {
  using namespace aquifer::redirect;  // NOLINT: a fuzz target is one function
  const std::string_view packet = aquifer::AsText({data, size});
  if (const auto request = DecodePluginRequest(packet)) {
    const auto written = EncodePluginRequest(*request);
    AQ_CHECK(written.ok());
    AQ_CHECK(written->size() <= kMaxPluginPacket);
    const auto again = DecodePluginRequest(*written);
    AQ_CHECK(again.ok());
    AQ_CHECK(*again == *request);
  } else {
    AQ_CHECK(!request.error().why.empty());
  }
  if (const auto answer = DecodePluginAnswer(packet)) {
    const auto written = EncodePluginAnswer(*answer);
    AQ_CHECK(written.size() <= kMaxPluginPacket);
    const auto again = DecodePluginAnswer(written);
    AQ_CHECK(again.ok());
    AQ_CHECK(again->error.empty() == answer->error.empty());
  }
  return 0;
}
