#include "node-proxy/remote_sources.h"

#include "tests/support/catch.h"
#include "tests/support/run_task.h"
#include "tests/unit/node/inbound_world.h"

namespace aquifer::node {
namespace {

using test::Peer;
using test::World;

const certs::Identity kPeer{"cluster.local", "shop", "web"};
const TimePoint kStart;

hbone::Baggage Said(const std::string& revision = "v1") {
  return hbone::Baggage{.cluster = "east",
                        .ns = "shop",
                        .workload_type = "job",
                        .workload_name = "web",
                        .service_name = "web",
                        .service_version = revision,
                        .region = "r",
                        .zone = "z"};
}

}  // namespace

TEST_CASE("a client of another network is who it says in the namespace that it proved") {
  RemoteSources sources;
  const mesh::WorkloadRef found = sources.Find(kPeer, Said(), kStart);
  REQUIRE(found != nullptr);
  CHECK(found->identity() == kPeer);
  CHECK(found->workload_name == "web");
  CHECK(found->canonical_name == "web");
  CHECK(found->canonical_revision == "v1");
  CHECK(found->cluster_id == "east");
  CHECK(found->locality.region == "r");
  CHECK(found->locality.zone == "z");
  CHECK(found->type == mesh::WorkloadType::kJob);
  CHECK(sources.Find(kPeer, Said(), kStart) == found);
}

TEST_CASE("what a client says of another namespace, or what is no name, is not believed") {
  RemoteSources sources;
  hbone::Baggage other = Said();
  other.ns = "bank";
  CHECK(sources.Find(kPeer, other, kStart) == nullptr);
  CHECK(sources.Find(kPeer, hbone::Baggage{}, kStart) == nullptr);
  for (std::string hbone::Baggage::* const field :
       {&hbone::Baggage::cluster, &hbone::Baggage::workload_name, &hbone::Baggage::service_name,
        &hbone::Baggage::service_version, &hbone::Baggage::region, &hbone::Baggage::zone,
        &hbone::Baggage::workload_type}) {
    for (const std::string& text : {std::string(254, 'x'), std::string("a\nb"), std::string("a b"),
                                    std::string("\xc3\xa9")}) {
      hbone::Baggage said = Said();
      said.*field = text;
      CHECK(sources.Find(kPeer, said, kStart) == nullptr);
    }
  }
}

TEST_CASE("an identity describes itself in a few ways an hour") {
  RemoteSources sources;
  for (std::size_t i = 0; i < RemoteSources::kMaxDescriptions; ++i)
    CHECK(sources.Find(kPeer, Said(std::to_string(i)), kStart) != nullptr);
  CHECK(sources.Find(kPeer, Said("more"), kStart) == nullptr);
  CHECK(sources.Find(kPeer, Said("0"), kStart) != nullptr);
  CHECK(sources.Find(kPeer, Said("more"), kStart + std::chrono::minutes(59)) == nullptr);
  CHECK(sources.Find(kPeer, Said("more"), kStart + std::chrono::hours(1)) != nullptr);
}

TEST_CASE("identities of other networks are bounded, and make room when they are old") {
  RemoteSources sources;
  certs::Identity peer = kPeer;
  for (std::size_t i = 0; i < RemoteSources::kMaxIdentities; ++i) {
    peer.service_account = std::to_string(i);
    CHECK(sources.Find(peer, Said(), kStart) != nullptr);
  }
  CHECK(sources.Find(kPeer, Said(), kStart) == nullptr);
  CHECK(sources.Find(kPeer, Said(), kStart + std::chrono::hours(1)) != nullptr);
}

namespace {

struct Source {
  std::string network;  // what the request says it came from
  std::string ns;       // of its baggage
  bool parsed = true;   // ENABLE_RESPONSE_BAGGAGE
  std::string expected;
};

// One connection with the baggage of "remote"; the mesh has "client" at the peer's address.
Task<void> Names(Source source, std::string account) {
  World world;
  world.config.network = "West";
  world.config.response_baggage = source.parsed;
  Peer peer(world);
  mesh::Workload client = mesh::Pod("client", "127.0.0.1");
  client.network = "West";
  client.workload_name = "client";
  client.service_account = account;
  world.builder.Put(client);
  world.Publish();
  hbone::ConnectRequest request;
  request.authority = peer.application->local();
  request.baggage = Said();
  request.baggage.ns = source.ns;
  request.baggage.workload_name = "remote";
  request.forwarded_network = source.network;
  auto tunnel = co_await peer.Ask(request);
  REQUIRE(tunnel.ok());
  CHECK(tunnel->response.baggage.has_value() == source.parsed);
  INFO(source.network << " " << source.ns << " " << source.expected);
  CHECK(world.registry.Text().find("reporter=\"destination\",source_workload=\"" + source.expected +
                                   "\"") != std::string::npos);
  tunnel->stream.reset();
  co_await peer.End();
}

}  // namespace

TEST_CASE("a source is the workload at its address, or of another network what it says") {
  for (const Source& each :
       {Source{"", "default", true, "client"}, Source{"wEST", "default", true, "client"},
        Source{"east", "default", true, "remote"}, Source{"east", "other", true, "unknown"},
        Source{"east", "default", false, "unknown"}}) {
    aquifer::test::Run(Names(each, "default"));
  }
}

TEST_CASE("a workload at the source's address is not the source if that proved another identity") {
  aquifer::test::Run(Names(Source{"", "default", true, "unknown"}, "somebody"));
}

}  // namespace aquifer::node
