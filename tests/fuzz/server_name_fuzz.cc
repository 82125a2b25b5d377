// The first bytes of a connection to a TLS listener of a gateway, from anybody. However they are
// cut, the verdict on a part that is enough stands when more comes.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/base/check.h"
#include "waypoint/client_hello.h"
#include "waypoint/field_check.h"

using namespace aquifer;            // NOLINT
using namespace aquifer::waypoint;  // NOLINT

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input(data, std::min(size, kMaxHelloBytes));
  const ClientHello whole = ReadClientHello(input);
  const bool named = !whole.server_name.empty();
  AQ_CHECK(!named || whole.state == ClientHello::State::kComplete);
  AQ_CHECK(!named || CheckName(whole.server_name, "").ok());
  const std::size_t step = input.size() / 16 + 1;
  for (std::size_t end = 0; end < input.size(); end += step) {
    const ClientHello part = ReadClientHello(input.first(end));
    if (part.state == ClientHello::State::kIncomplete) continue;
    AQ_CHECK(part.state == whole.state);
    AQ_CHECK(part.server_name == whole.server_name);
  }
  return 0;
}
