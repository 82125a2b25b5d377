// A Lease and an object of anybody's making, as the first byte says of which kind: what is read
// from them stays within bounds, what is to be written is JSON, and where lists are written whole
// the same status is not written a second time.
#include <array>
#include <string_view>

#include "control/kube/values.h"
#include "control/write/lease.h"
#include "control/write/status_patch.h"
#include "core/base/check.h"

namespace aquifer::control {
namespace {

constexpr JsonLimits kLimits{.bytes = 4096, .values = 500, .depth = 20};
constexpr std::array<Kind, 5> kKinds = {Kind::kGateway, Kind::kGatewayClass, Kind::kService,
                                        Kind::kAuthorizationPolicy, Kind::kHttpRoute};

void CheckLease(std::string_view text) {
  if (text.size() > kLimits.bytes / 2) return;  // what is written must not reach the limits itself
  const Decoded<Lease> lease = ReadLease(text);
  if (!lease.ok()) return;
  Election election("me", {});
  const auto record = election.Judge(&lease->record, TimePoint(), "t");
  if (!record) return;
  AQ_CHECK(record->holder == "me");
  const Decoded<Lease> again = ReadLease(LeaseBody(*lease, *record));
  AQ_CHECK(again.ok() && again->record == *record);
}

ObjectStatus StatusFor(const Json& present) {
  ObjectStatus status;
  if (present.is_object() && present.contains("metadata") && present["metadata"].is_object()) {
    const Json generation = present["metadata"].value("generation", Json());
    if (generation.is_number_unsigned() && generation.get<std::uint64_t>() <= INT64_MAX)
      status.generation = generation.get<std::int64_t>();
  }
  status.conditions = {{"Accepted", true, "Accepted", "\xff"},
                       {"WaypointAccepted", false, "B", ""}};
  status.parents = {{"a", {{"Accepted", true, "Accepted", ""}}, 0}};
  status.listeners = {{"http", 1, {"HTTPRoute"}, {{"Accepted", true, "Accepted", ""}}}};
  status.addresses = {{"IPAddress", "192.0.2.1"}};
  return status;
}

void CheckPatch(Kind kind, std::string_view text) {
  const Decoded<Json> present = ReadJson(text, kLimits);
  if (!present.ok()) return;
  ObjectStatus wanted = StatusFor(*present);
  if (kind != Kind::kGateway) wanted.conditions[0].message.clear();
  const ObjectKey key{kind, "a", "b"};
  const PatchContext context{.api_version = "g/v1", .now = "2026-01-01T00:00:00Z"};
  const auto patch = PatchFor(key, wanted, *present, context);
  if (!patch.ok() || !patch->has_value()) return;
  const Json body = Json::parse((*patch)->body);
  if ((*patch)->apply) return;
  Json next = *present;
  next["status"].merge_patch(body["status"]);
  const auto again = PatchFor(key, wanted, next, context);
  AQ_CHECK(again.ok() && !again->has_value());
}

}  // namespace
}  // namespace aquifer::control

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aquifer::control;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  CheckLease(text);
  CheckPatch(kKinds[data[0] % kKinds.size()], text);
  return 0;
}
