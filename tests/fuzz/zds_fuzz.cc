// Packets of either side of ZDS, as they come from a socket. The first byte says how many
// descriptors the packet brought. What is taken must survive being written and read again.
#include <sys/eventfd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <google/protobuf/stubs/logging.h>

#include "core/base/check.h"
#include "redirect/zds.h"

namespace {

using namespace aquifer::redirect;  // NOLINT: a fuzz target is one function
using aquifer::AsBytes;
using aquifer::Bytes;
using aquifer::UniqueFd;

std::vector<UniqueFd> Descriptors(unsigned count) {
  std::vector<UniqueFd> descriptors;
  for (unsigned i = 0; i < count; ++i) descriptors.emplace_back(::eventfd(0, EFD_CLOEXEC));
  return descriptors;
}

void Requests(Bytes packet, unsigned descriptors) {
  auto request = DecodeRequest(packet, Descriptors(descriptors));
  if (!request) {
    AQ_CHECK(!request.error().why.empty());
    return;
  }
  const auto* const add = std::get_if<AddPod>(&*request);
  AQ_CHECK((add != nullptr) == (descriptors == 1));
  if (add != nullptr && !CheckPodInfo(add->info)) return;
  const auto written = EncodeRequest(*request);
  if (!written) return;  // unknown fields made room that ours take
  const auto again = DecodeRequest(AsBytes(*written), Descriptors(descriptors));
  AQ_CHECK(again.ok());
  AQ_CHECK(again->index() == request->index());
}

void Acks(Bytes packet) {
  const auto error = DecodeAck(packet);
  if (!error) return;
  const auto again = DecodeAck(AsBytes(EncodeAck(*error)));
  AQ_CHECK(again.ok());
  AQ_CHECK(again->size() <= error->size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, size_t size) {
  static const google::protobuf::LogSilencer quiet;
  if (size == 0) return 0;
  const Bytes packet(data + 1, size - 1);
  Requests(packet, data[0] % 4);
  static_cast<void>(DecodeHello(packet));
  Acks(packet);
  return 0;
}
