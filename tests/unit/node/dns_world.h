// A captured pod with its DNS server, in process (tests/unit/node/world.h), and who asks and
// answers it.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "node-proxy/dns/frame.h"
#include "node-proxy/dns/server.h"
#include "tests/unit/node/dns_wire.h"
#include "tests/unit/node/world.h"

namespace aquifer::node::dns::test {

using node::test::World;

inline const Ip kLocal = Ip::Loopback4();

inline redirect::PodSockets Sockets() {
  return redirect::PodSockets({.mark = 0, .reuse_port = true, .ipv6 = false});
}

// What a name server says to a query, in this order.
using Script = std::function<std::vector<std::string>(std::string query, Protocol protocol)>;

// A reply to `query` with this rcode and what follows the question.
inline std::string ReplyTo(const std::string& query, int rcode, const std::string& rest = "",
                           bool truncated = false) {
  const Bytes question = ReadEnvelope(AsBytes(query))->question;
  std::string reply = query.substr(0, 2);
  ByteWriter writer(reply);
  writer.U8(truncated ? 0x83 : 0x81);
  writer.U8(static_cast<std::uint8_t>(0x80 | rcode));
  writer.U16(1);
  writer.U16(rest.empty() ? 0 : 1);
  writer.U32(0);
  writer.Raw(question);
  return reply + rest;
}

// One A record that points at the question's name.
inline std::string Record(std::uint8_t last) {
  std::string text;
  ByteWriter writer(text);
  writer.U16(0xc00c);
  writer.U16(1);
  writer.U16(1);
  writer.U32(300);
  writer.U16(4);
  writer.U32(0x01010100U | last);
  return text;
}

// A name server on one port of loopback, by datagram and by connection.
class NameServer {
 public:
  explicit NameServer(Script script) : script_(std::move(script)) {
    Result<UniqueFd> listening = Sockets().ListenAt({kLocal, 0});
    REQUIRE(listening.ok());
    listener_ = std::make_unique<io::Listener>(*std::move(listening));
    Result<UniqueFd> datagrams = Sockets().DatagramsAt({kLocal, listener_->local().port});
    REQUIRE(datagrams.ok());
    socket_ = std::make_unique<io::DatagramSocket>(*std::move(datagrams));
    tasks_.Spawn(Datagrams());
    tasks_.Spawn(Connections());
  }
  Address address() const { return listener_->local(); }
  int asked = 0;

  Task<void> End() {
    stop_.RequestStop();
    co_await tasks_.Join();
  }

 private:
  Task<void> Datagrams() {
    std::array<std::uint8_t, 4096> buffer;
    while ((co_await socket_->WaitReadable(stop_.token())).ok()) {
      const auto got = socket_->Take(buffer);
      if (!got) continue;
      ++asked;
      const std::string query(AsText(Bytes(buffer).first(got->size)));
      for (const std::string& reply : script_(query, Protocol::kUdp))
        CHECK(socket_->SendTo(AsBytes(reply), got->from).ok());
    }
  }
  Task<void> Connections() {
    while (true) {
      Result<io::SocketPtr> client = co_await listener_->Accept(stop_.token());
      if (!client) co_return;
      const std::string query = co_await node::test::Hear(**client);
      ++asked;
      for (const std::string& reply : script_(query.substr(2), Protocol::kTcp))
        co_await node::test::Say(**client, Framed(reply));
    }
  }

  Script script_;
  std::unique_ptr<io::Listener> listener_;
  std::unique_ptr<io::DatagramSocket> socket_;
  StopSource stop_;
  Scope tasks_;
};

// The client's pod with its DNS server.
struct Pod {
  explicit Pod(World& in, std::vector<Address> servers = {})
      : world(in), metrics(in.registry), shared(in.config, metrics) {
    shared.upstreams = Upstreams(ResolvConf{.servers = std::move(servers), .search = {}});
    world.config.dns_addresses = {{kLocal, 0}};
    world.Populate(80, 80);
    endpoint = std::make_shared<PodEndpoint>(
        world.context, "uid-client",
        mesh::LocalName{.ns = "default", .name = "client", .service_account = "default"},
        Sockets());
    server = std::make_unique<Server>(world.context, shared, *endpoint, ending);
    REQUIRE(server->Bind().ok());
    server->Serve();
  }
  Task<void> End() {
    ending.Stop(Reason::kStopped);
    co_await server->Finish();
    server.reset();
    co_await world.End();
  }
  // Counts with these labels, such as `istio_dns_requests_total` and `type="a"`.
  bool Counted(const std::string& family, const std::string& labels, int count) const {
    const std::string text = world.registry.Text();
    return text.find(family + "{" + labels) != std::string::npos &&
           text.find(labels + "} " + std::to_string(count)) != std::string::npos;
  }

  World& world;
  DnsMetrics metrics;
  WorkerDns shared;
  Ending ending;
  std::shared_ptr<PodEndpoint> endpoint;
  std::unique_ptr<Server> server;
};

inline Task<std::string> AskByDatagram(Address server, std::string query) {
  Result<UniqueFd> fd = Sockets().UpstreamDatagrams(kLocal);
  REQUIRE(fd.ok());
  io::DatagramSocket socket(*std::move(fd));
  REQUIRE(socket.Connect(server).ok());
  REQUIRE(socket.Send(AsBytes(query)).ok());
  TimedStop timed(StopToken(), std::chrono::seconds(20), Reason::kTimeout);
  const Status ready = co_await socket.WaitReadable(timed.token());
  REQUIRE(ready.ok());
  Result<std::string> got = socket.TakeWhole();
  REQUIRE(got.ok());
  co_return *std::move(got);
}

inline Task<std::string> AskByConnection(io::Socket& socket, std::string query) {
  co_await node::test::Say(socket, Framed(query));
  std::string reply;
  while (reply.size() < 2 || reply.size() < 2U + (AsBytes(reply)[0] << 8 | AsBytes(reply)[1]))
    reply += co_await node::test::Hear(socket);
  co_return reply.substr(2);
}

}  // namespace aquifer::node::dns::test
