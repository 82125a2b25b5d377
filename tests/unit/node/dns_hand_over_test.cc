// What an old and a new proxy do with a pod's questions while they overlap in an upgrade.
#include <sys/socket.h>

#include "node-proxy/dns/server.h"
#include "tests/support/run_task.h"
#include "tests/unit/node/dns_world.h"

namespace aquifer::node::dns {
namespace {

using node::test::World;
using test::AskByConnection;
using test::DnsQuery;
using test::kLocal;
using test::NameServer;
using test::Pod;
using test::ReadReply;
using test::Record;
using test::ReplyTo;
using test::Sockets;

Task<void> LeavesNewQuestions() {
  World world;
  Pod pod(world);
  const Address address = pod.server->datagrams();
  Result<UniqueFd> second = Sockets().DatagramsAt(address);
  REQUIRE(second.ok());
  io::DatagramSocket other(*std::move(second));  // of the proxy that takes over
  pod.ending.Drain();
  co_await pod.server->Finish();
  // The server is there still, with its socket. From whatever port a question comes, it is not its.
  for (int i = 0; i < 40; ++i) {
    Result<UniqueFd> fd = Sockets().UpstreamDatagrams(kLocal);
    REQUIRE(fd.ok());
    io::DatagramSocket client(*std::move(fd));
    REQUIRE(client.Connect(address).ok());
    REQUIRE(client.Send(AsBytes(DnsQuery({.name = "web.example"}))).ok());
    TimedStop timed(StopToken(), std::chrono::seconds(5), Reason::kTimeout);
    const Status ready = co_await other.WaitReadable(timed.token());
    REQUIRE(ready.ok());
    std::array<std::uint8_t, 512> buffer;
    CHECK(other.Take(buffer).ok());
  }
  co_await pod.End();
}

TEST_CASE("a drained server leaves new questions to the proxy that takes over") {
  aquifer::test::Run(LeavesNewQuestions());
}

Task<void> AnswersWhatHasCome() {
  World world;
  NameServer upstream(
      [](const std::string& query, Protocol) { return std::vector{ReplyTo(query, 0, Record(9))}; });
  Pod pod(world, {upstream.address()});
  Result<UniqueFd> fd = Sockets().UpstreamDatagrams(kLocal);
  REQUIRE(fd.ok());
  io::DatagramSocket client(*std::move(fd));
  REQUIRE(client.Connect(pod.server->datagrams()).ok());
  for (int i = 0; i < 50; ++i) REQUIRE(client.Send(AsBytes(DnsQuery({.name = "a.org"}))).ok());
  pod.ending.Drain();  // before the server has had a turn
  for (int i = 0; i < 50; ++i) {
    TimedStop timed(StopToken(), std::chrono::seconds(5), Reason::kTimeout);
    Status ready = co_await client.WaitReadable(timed.token());
    REQUIRE(ready.ok());
    const Result<std::string> got = client.TakeWhole();
    REQUIRE(got.ok());
    CHECK(ReadReply(*got).answers.size() == 1);
  }
  co_await pod.End();
  co_await upstream.End();
}

TEST_CASE("a draining server answers what has come already") {
  aquifer::test::Run(AnswersWhatHasCome());
}

// A client whose connection nobody has accepted yet: the server has no turn meanwhile.
io::SocketPtr DialAtOnce(const Address& to) {
  Result<UniqueFd> fd = Sockets().Upstream(kLocal);
  REQUIRE(fd.ok());
  sockaddr_storage storage{};
  const socklen_t length = to.ToSockaddr(storage);
  REQUIRE(::connect(fd->get(), reinterpret_cast<const sockaddr*>(&storage), length) == 0);
  return std::make_unique<io::Socket>(*std::move(fd));
}

Task<void> HandsConnectionsOver() {
  World world;
  world.config.workers = 1;
  Pod pod(world);
  const Address address = pod.server->connections();
  std::vector<io::SocketPtr> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(DialAtOnce(address));
  Result<UniqueFd> second = Sockets().ListenAt(address);
  REQUIRE(second.ok());
  io::Listener other(*std::move(second));  // of the proxy that takes over
  pod.ending.HandOver();
  for (const io::SocketPtr& client : clients) {
    const std::string wire = co_await AskByConnection(*client, DnsQuery({.name = "web.example"}));
    CHECK(ReadReply(wire).answers.size() == 1);
    CHECK(co_await node::test::Hear(*client) == "FIN");
  }
  for (int i = 0; i < 8; ++i) {
    const io::SocketPtr newcomer = co_await node::test::Dial(address);
    const io::SocketPtr accepted = co_await node::test::AcceptOne(other);
    CHECK(accepted->peer() == newcomer->local());
  }
  co_await pod.server->Finish();
  co_await pod.End();
}

TEST_CASE("connections that are on their way as the server hands over are answered") {
  aquifer::test::Run(HandsConnectionsOver());
}

}  // namespace
}  // namespace aquifer::node::dns
