// The body of a watch of anybody's making, cut as its first byte says: what is read must not depend
// on the cuts, nothing may crash or escape the bounds, and whatever object comes out goes through
// the decoder of a kind.
#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>

#include "control/kube/client.h"
#include "control/kube/cluster_objects.h"
#include "core/base/check.h"

namespace aquifer::control {
namespace {

constexpr JsonLimits kLimits{.bytes = 4096, .values = 500, .depth = 20};

std::string ReadAll(std::string_view body, size_t step, ClusterObjects* objects) {
  WatchReader reader(kLimits);
  std::string seen;
  for (size_t at = 0; at < body.size(); at += step) {
    reader.Feed(body.substr(at, step));
    while (true) {
      const auto event = reader.Next();
      if (!event.ok()) return seen + event.error().ToString();
      if (!event->has_value()) break;
      const WatchEvent& one = **event;
      seen += std::to_string(static_cast<int>(one.type)) + ResourceVersionOf(one.object) +
              StatusMessage(one.object) + std::to_string(StatusCode(one.object)) + "\n";
      if (objects == nullptr) continue;
      for (const DecoderRow& row : Decoders()) {
        AQ_CHECK(objects->Put(row, one.object));
        if (one.type == WatchEvent::Type::kDeleted) objects->Remove(row, one.object);
      }
    }
  }
  return seen;
}

}  // namespace
}  // namespace aquifer::control

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aquifer::control;
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  ClusterObjects objects;
  const std::string whole = ReadAll(body, std::max<size_t>(body.size(), 1), &objects);
  const size_t step = data[0] % 64 + 1;
  // A line that is too long is seen at its cut; everything else must be the same.
  if (body.size() <= kLimits.bytes) AQ_CHECK(ReadAll(body, step, nullptr) == whole);
  const auto seen = objects.Observe();
  for (const auto& refusal : seen.refusals) AQ_CHECK(!refusal.ToString().empty());
  AQ_CHECK(seen.objects.size() <= body.size());
  std::ignore = ReadListPage(body, kLimits);
  std::ignore = FailureMessage(body);
  return 0;
}
