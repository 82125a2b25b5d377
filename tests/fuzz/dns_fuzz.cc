// A packet on a pod's DNS port, and the same bytes as what a name server said and as a
// resolv.conf. Whatever is answered is a response with the packet's id and question, fits, and is
// read again.
#include <cstddef>
#include <cstdint>

#include "core/base/check.h"
#include "mesh/builder.h"
#include "node-proxy/dns/message.h"
#include "node-proxy/dns/resolver.h"
#include "node-proxy/dns/upstreams.h"
#include "redirect/datagram_origin.h"

namespace {

using namespace aquifer;             // NOLINT: a fuzz target is one function
using namespace aquifer::node::dns;  // NOLINT

mesh::SnapshotRef World() {
  mesh::Builder builder{mesh::BuilderOptions{}};
  mesh::Service any;
  any.ns = "default";
  any.hostname = "*.example.com";
  for (std::uint8_t i = 0; i < 100; ++i) any.vips.push_back({"", Ip::V4(10, 0, 0, i)});
  builder.Put(any);
  mesh::Service headless;
  headless.ns = "default";
  headless.hostname = "web.default.svc.cluster.local";
  builder.Put(headless);
  mesh::Workload pod;
  pod.uid = "Kubernetes//Pod/default/web-0";
  pod.name = "web-0";
  pod.ns = "default";
  pod.addresses = {Ip::V4(10, 1, 0, 1), *Ip::Parse("fd00::1")};
  pod.services = {{headless.key(), {{80, 80}}}};
  builder.Put(pod);
  return builder.Build();
}

void CheckResponse(const std::string& wire, Bytes query) {
  const std::optional<Envelope> asked = ReadEnvelope(query);
  AQ_CHECK(wire.size() >= 12 && (AsBytes(wire)[2] & 0x80) != 0);
  AQ_CHECK(wire[0] == static_cast<char>(query[0]) && wire[1] == static_cast<char>(query[1]));
  if (!asked) return;
  const std::optional<Envelope> envelope = ReadEnvelope(AsBytes(wire));
  AQ_CHECK(envelope && SameQuestion(envelope->question, asked->question));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const mesh::SnapshotRef world = World();
  mesh::Workload client;
  client.ns = "default";
  const Bytes bytes(data, size);
  static_cast<void>(ParseResolvConf(AsText(bytes)));
  static_cast<void>(redirect::OriginIn(bytes));
  const Result<Query, Unreadable> query = ReadQuery(bytes);
  if (!query) {
    if (query.error().rcode) CheckResponse(WriteRefusal(bytes, *query.error().rcode), bytes);
    return 0;
  }
  CheckResponse(WriteRefusal(bytes, Rcode::kServerFailure), bytes);
  for (const Family family : {Family::kV4, Family::kV6}) {
    const std::optional<Answer> answer =
        Lookup(*world, client, query->name, family, ResolverOptions{}, [] { return 1; });
    if (!answer) continue;
    for (const std::size_t most : {query->udp_bytes(), kMostMessageBytes}) {
      const std::optional<std::string> written = WriteAnswer(*query, *answer, most);
      if (!written) continue;
      AQ_CHECK(written->size() <= most);
      CheckResponse(*written, bytes);
    }
  }
  return 0;
}
