#include "redirect/zds.h"

#include <algorithm>
#include <utility>

#include "redirect/proto/zds.pb.h"

namespace aquifer::redirect {
namespace {

namespace pb = istio::workload::zds;

// Kubernetes bounds names by 253 bytes (RFC 1123 subdomain) and UIDs by 36; 253 leaves room for
// agents with longer ones.
constexpr size_t kMaxName = 253;
// Leaves room for the field headers of an Ack around it.
constexpr size_t kMaxErrorText = 960;

bool Printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

Result<void, Refusal> CheckUid(std::string_view field, std::string_view uid) {
  if (uid.empty()) return Refusal{std::string(field), "must not be empty"};
  if (uid.size() > kMaxName) return Refusal{std::string(field), "is longer than 253 bytes"};
  if (!Printable(uid)) return Refusal{std::string(field), "has unprintable bytes"};
  return {};
}

Result<void, Refusal> CheckName(std::string_view field, std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  };
  const std::string path = "workload_info." + std::string(field);
  if (name.empty()) return Refusal{path, "must not be empty"};
  if (name.size() > kMaxName) return Refusal{path, "is longer than 253 bytes"};
  if (!std::all_of(name.begin(), name.end(), allowed)) {
    return Refusal{path, "is not a Kubernetes name (a-z, 0-9, '-', '.')"};
  }
  return {};
}

Decoded<ZdsRequest> DecodeAdd(const pb::AddWorkload& add, std::vector<UniqueFd> descriptors) {
  AQ_TRY_STATUS(CheckUid("add.uid", add.uid()));
  if (!add.has_workload_info()) return Refusal{"add.workload_info", "is missing"};
  if (descriptors.size() != 1) {
    return Refusal{"add",
                   "needs exactly one descriptor, the pod's network namespace, and came with " +
                       (descriptors.empty() ? std::string("none") : std::string("more"))};
  }
  const pb::WorkloadInfo& info = add.workload_info();
  return ZdsRequest(AddPod{.uid = add.uid(),
                           .info = {.name = info.name(),
                                    .ns = info.namespace_(),
                                    .service_account = info.service_account()},
                           .netns = std::move(descriptors.front())});
}

bool Parse(google::protobuf::MessageLite& message, Bytes packet) {
  return packet.size() <= kMaxZdsPacket &&
         message.ParseFromArray(packet.data(), static_cast<int>(packet.size()));
}

Refusal Malformed(std::string_view what, size_t size) {
  return Refusal{std::string(what),
                 size > kMaxZdsPacket ? "is longer than 1024 bytes" : "is not a valid message"};
}

}  // namespace

Result<void, Refusal> CheckPodInfo(const PodInfo& info) {
  AQ_TRY_STATUS(CheckName("name", info.name));
  AQ_TRY_STATUS(CheckName("namespace", info.ns));
  return CheckName("service_account", info.service_account);
}

Decoded<ZdsRequest> DecodeRequest(Bytes packet, std::vector<UniqueFd> descriptors) {
  pb::WorkloadRequest request;
  if (!Parse(request, packet)) return Malformed("WorkloadRequest", packet.size());
  if (request.has_add()) return DecodeAdd(request.add(), std::move(descriptors));
  if (!descriptors.empty()) return Refusal{"WorkloadRequest", "only add may carry a descriptor"};
  switch (request.payload_case()) {
    case pb::WorkloadRequest::kKeep: {
      AQ_TRY_STATUS(CheckUid("keep.uid", request.keep().uid()));
      return ZdsRequest(KeepPod{request.keep().uid()});
    }
    case pb::WorkloadRequest::kDel: {
      AQ_TRY_STATUS(CheckUid("del.uid", request.del().uid()));
      return ZdsRequest(DelPod{request.del().uid()});
    }
    case pb::WorkloadRequest::kSnapshotSent:
      return ZdsRequest(SnapshotSent{});
    default:
      return Refusal{"WorkloadRequest", "has no payload that this version knows"};
  }
}

namespace {

// Fills the message and checks what goes into it by the rules of the receiving side.
struct Writer {
  pb::WorkloadRequest& out;

  Result<void, Refusal> operator()(const AddPod& add) {
    AQ_TRY_STATUS(CheckUid("add.uid", add.uid));
    AQ_TRY_STATUS(CheckPodInfo(add.info));
    pb::AddWorkload& message = *out.mutable_add();
    message.set_uid(add.uid);
    message.mutable_workload_info()->set_name(add.info.name);
    message.mutable_workload_info()->set_namespace_(add.info.ns);
    message.mutable_workload_info()->set_service_account(add.info.service_account);
    return {};
  }
  Result<void, Refusal> operator()(const KeepPod& keep) {
    out.mutable_keep()->set_uid(keep.uid);
    return CheckUid("keep.uid", keep.uid);
  }
  Result<void, Refusal> operator()(const DelPod& del) {
    out.mutable_del()->set_uid(del.uid);
    return CheckUid("del.uid", del.uid);
  }
  Result<void, Refusal> operator()(const SnapshotSent&) {
    out.mutable_snapshot_sent();
    return {};
  }
};

}  // namespace

Decoded<std::string> EncodeRequest(const ZdsRequest& request) {
  pb::WorkloadRequest message;
  AQ_TRY_STATUS(std::visit(Writer{message}, request));
  std::string packet = message.SerializeAsString();
  if (packet.size() > kMaxZdsPacket) return Malformed(RequestWord(request), packet.size());
  return packet;
}

Result<void, Refusal> DecodeHello(Bytes packet) {
  pb::ZdsHello hello;
  if (!Parse(hello, packet)) return Malformed("ZdsHello", packet.size());
  if (hello.version() == pb::V1) return {};
  return Refusal{"version",
                 "is " + std::to_string(static_cast<int>(hello.version())) + ", only 1 is known"};
}

std::string EncodeHello() {
  pb::ZdsHello hello;
  hello.set_version(pb::V1);
  return hello.SerializeAsString();
}

Decoded<std::string> DecodeAck(Bytes packet) {
  pb::WorkloadResponse response;
  if (!Parse(response, packet)) return Malformed("WorkloadResponse", packet.size());
  if (!response.has_ack()) return Refusal{"WorkloadResponse", "has no ack"};
  return response.ack().error();
}

std::string EncodeAck(std::string_view error) {
  // Only ASCII goes out: the field is UTF-8 and a cut, or a text of the system, might not be.
  std::string text(error.substr(0, kMaxErrorText));
  std::replace_if(text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  pb::WorkloadResponse response;
  response.mutable_ack()->set_error(std::move(text));
  return response.SerializeAsString();
}

std::string_view RequestWord(const ZdsRequest& request) {
  constexpr std::string_view kWords[] = {"add", "keep", "del", "snapshot_sent"};
  return kWords[request.index()];
}

}  // namespace aquifer::redirect
