#include "node-proxy/dns/server.h"

#include "node-proxy/dns/frame.h"
#include "tests/support/run_task.h"
#include "tests/unit/node/dns_world.h"

namespace aquifer::node::dns {
namespace {

using node::test::World;
using test::AskByConnection;
using test::AskByDatagram;
using test::DnsQuery;
using test::DnsReply;
using test::kLocal;
using test::NameServer;
using test::Pod;
using test::ReadReply;
using test::Record;
using test::ReplyTo;
using test::Sockets;

std::string Labels(const std::string& type, const std::string& protocol) {
  return "request_query_type=\"" + type + "\",request_protocol=\"" + protocol +
         "\",source_canonical_service=\"unknown\",source_canonical_revision=\"unknown\"";
}

Task<void> AnswersNames() {
  World world;
  Pod pod(world);
  const std::string by_datagram =
      co_await AskByDatagram(pod.server->datagrams(), DnsQuery({.id = 7, .name = "Web.example"}));
  const DnsReply reply = ReadReply(by_datagram);
  CHECK(reply.id == 7);
  CHECK(reply.authoritative);
  CHECK(reply.answers == std::vector<std::string>{"Web.example 30 A 127.0.0.3"});
  io::SocketPtr socket = co_await node::test::Dial(pod.server->connections());
  for (int i = 0; i < 3; ++i) {
    const std::string wire = co_await AskByConnection(*socket, DnsQuery({.name = "web.example"}));
    CHECK(ReadReply(wire).answers == std::vector<std::string>{"web.example 30 A 127.0.0.3"});
  }
  CHECK(pod.Counted("istio_dns_requests_total", Labels("a", "udp"), 1));
  CHECK(pod.Counted("istio_dns_requests_total", Labels("a", "tcp"), 3));
  CHECK(world.registry.Text().find("istio_dns_upstream_requests_total") == std::string::npos);
  co_await pod.End();
}

TEST_CASE("a pod's server answers names of the mesh by datagram and by connection") {
  aquifer::test::Run(AnswersNames());
}

Task<void> AnswersSeveralAtOnce() {
  World world;
  Pod pod(world);
  io::SocketPtr socket = co_await node::test::Dial(pod.server->connections());
  const std::string one = Framed(DnsQuery({.id = 1, .name = "web.example"}));
  const std::string both = one + Framed(DnsQuery({.id = 2, .name = "web.example", .type = 28}));
  co_await node::test::Say(*socket, both.substr(0, one.size() + 5));
  std::string heard = co_await node::test::Hear(*socket);
  CHECK(ReadReply(heard.substr(2)).id == 1);
  co_await node::test::Say(*socket, both.substr(one.size() + 5));
  heard = co_await node::test::Hear(*socket);
  CHECK(ReadReply(heard.substr(2)).id == 2);
  CHECK(ReadReply(heard.substr(2)).authorities.size() == 1);
  co_await pod.End();
}

TEST_CASE("questions on one connection are answered in order, however they were cut") {
  aquifer::test::Run(AnswersSeveralAtOnce());
}

Task<void> PassesOn() {
  World world;
  NameServer upstream(
      [](const std::string& query, Protocol) { return std::vector{ReplyTo(query, 0, Record(9))}; });
  Pod pod(world, {upstream.address()});
  const std::string query = DnsQuery({.id = 0x4242, .name = "Www.Elsewhere.org"});
  const std::string reply = co_await AskByDatagram(pod.server->datagrams(), query);
  CHECK(reply == ReplyTo(query, 0, Record(9)));
  io::SocketPtr socket = co_await node::test::Dial(pod.server->connections());
  CHECK(co_await AskByConnection(*socket, query) == reply);
  CHECK(pod.Counted("istio_dns_requests_total", Labels("a", "udp"), 1));
  CHECK(pod.Counted("istio_dns_upstream_requests_total", Labels("a", "udp"), 1));
  CHECK(pod.Counted("istio_dns_upstream_requests_total", Labels("a", "tcp"), 1));
  CHECK(world.registry.Text().find("istio_dns_upstream_failures_total") == std::string::npos);
  CHECK(world.registry.Text().find(
            "istio_dns_upstream_request_duration_seconds_bucket{le=\"0.0005\"," +
            Labels("a", "udp") + "}") != std::string::npos);
  co_await pod.End();
  co_await upstream.End();
}

TEST_CASE("what the mesh does not know is passed on, and the answer comes back as it was") {
  aquifer::test::Run(PassesOn());
}

Task<void> PassesOnOtherTypes() {
  World world;
  NameServer upstream([](const std::string& query, Protocol) {
    return std::vector{ReplyTo(query, static_cast<int>(Rcode::kNameError))};
  });
  Pod pod(world, {upstream.address()});
  // A name of the mesh: it exists, whatever the name server says.
  const std::string service = co_await AskByDatagram(pod.server->datagrams(),
                                                     DnsQuery({.name = "web.example", .type = 15}));
  CHECK(ReadReply(service).rcode == 0);
  CHECK(ReadReply(service).authorities == std::vector<std::string>{"web.example 30 SOA"});
  const std::string other = co_await AskByDatagram(pod.server->datagrams(),
                                                   DnsQuery({.name = "other.example", .type = 15}));
  CHECK(ReadReply(other).rcode == static_cast<int>(Rcode::kNameError));
  CHECK(upstream.asked == 2);
  co_await pod.End();
  co_await upstream.End();
}

TEST_CASE("other types are passed on, and a name of the mesh is never said not to be") {
  aquifer::test::Run(PassesOnOtherTypes());
}

Task<void> AsksTheNext() {
  World world;
  NameServer failing([](const std::string& query, Protocol) {
    return std::vector{ReplyTo(query, static_cast<int>(Rcode::kServerFailure))};
  });
  NameServer good(
      [](const std::string& query, Protocol) { return std::vector{ReplyTo(query, 0, Record(1))}; });
  const std::unique_ptr<io::Listener> nobody = node::test::ListenAt(kLocal);  // no datagrams there
  Pod pod(world, {nobody->local(), failing.address(), good.address()});
  const std::string reply =
      co_await AskByDatagram(pod.server->datagrams(), DnsQuery({.name = "a.org"}));
  CHECK(ReadReply(reply).rcode == 0);
  CHECK(failing.asked == 1);
  CHECK(good.asked == 1);
  co_await pod.End();
  co_await failing.End();
  co_await good.End();
}

TEST_CASE("a name server that fails or is not there is followed by the next") {
  aquifer::test::Run(AsksTheNext());
}

Task<void> SaysThatNobodyAnswers() {
  World world;
  const std::unique_ptr<io::Listener> nobody = node::test::ListenAt(kLocal);
  Pod pod(world, {nobody->local()});
  const std::string query = DnsQuery({.id = 3, .name = "a.org"});
  const DnsReply reply = ReadReply(co_await AskByDatagram(pod.server->datagrams(), query));
  CHECK(reply.id == 3);
  CHECK(reply.rcode == static_cast<int>(Rcode::kServerFailure));
  CHECK(pod.Counted("istio_dns_upstream_failures_total", Labels("a", "udp"), 1));
  co_await pod.End();
}

TEST_CASE("without a name server that answers there is a server failure") {
  aquifer::test::Run(SaysThatNobodyAnswers());
}

Task<void> TakesNoForgery() {
  World world;
  NameServer upstream([](const std::string& query, Protocol) {
    const std::uint16_t id = ReadEnvelope(AsBytes(query))->id;
    const std::string other = DnsQuery({.id = id, .name = "b.org"});
    return std::vector{
        WithId(AsBytes(ReplyTo(query, 0, Record(66))), static_cast<std::uint16_t>(id + 1)),
        ReplyTo(other, 0, Record(66)),
        query,
        std::string("noise"),
        ReplyTo(query, 0, Record(1)),
    };
  });
  Pod pod(world, {upstream.address()});
  const std::string reply =
      co_await AskByDatagram(pod.server->datagrams(), DnsQuery({.name = "a.org"}));
  CHECK(ReadReply(reply).answers == std::vector<std::string>{"a.org 300 A 1.1.1.1"});
  CHECK(upstream.asked == 1);
  co_await pod.End();
  co_await upstream.End();
}

TEST_CASE("what has another id or question, or is no response, is no answer") {
  aquifer::test::Run(TakesNoForgery());
}

Task<void> AsksByConnectionWhenCut() {
  World world;
  NameServer upstream([](const std::string& query, Protocol protocol) {
    return std::vector{protocol == Protocol::kUdp ? ReplyTo(query, 0, "", true)
                                                  : ReplyTo(query, 0, Record(5))};
  });
  Pod pod(world, {upstream.address()});
  const std::string query = DnsQuery({.name = "large.org"});
  const std::string cut = co_await AskByDatagram(pod.server->datagrams(), query);
  CHECK(ReadReply(cut).truncated);
  CHECK(upstream.asked == 1);
  io::SocketPtr socket = co_await node::test::Dial(pod.server->connections());
  const std::string whole = co_await AskByConnection(*socket, query);
  CHECK(ReadReply(whole).answers == std::vector<std::string>{"large.org 300 A 1.1.1.5"});
  CHECK(upstream.asked == 3);
  co_await pod.End();
  co_await upstream.End();
}

TEST_CASE("who asks by connection gets whole what was cut by datagram") {
  aquifer::test::Run(AsksByConnectionWhenCut());
}

Task<void> BoundsWhatIsUnderWay() {
  World world;
  NameServer silent([](const std::string&, Protocol) { return std::vector<std::string>(); });
  Pod pod(world, {silent.address()});
  Result<UniqueFd> fd = Sockets().UpstreamDatagrams(kLocal);
  REQUIRE(fd.ok());
  io::DatagramSocket client(*std::move(fd));
  REQUIRE(client.Connect(pod.server->datagrams()).ok());
  constexpr std::size_t kBound = 256;
  constexpr std::size_t kAsked = 300;
  for (std::size_t sent = 1; sent <= kAsked; ++sent) {
    REQUIRE(client.Send(AsBytes(DnsQuery({.name = "a.org"}))).ok());
    co_await World::Until([&] { return pod.server->under_way() == std::min(sent, kBound); });
  }
  for (std::size_t refused = 0; refused < kAsked - kBound; ++refused) {
    TimedStop timed(StopToken(), std::chrono::seconds(5), Reason::kTimeout);
    const Status ready = co_await client.WaitReadable(timed.token());
    REQUIRE(ready.ok());
    const Result<std::string> got = client.TakeWhole();
    REQUIRE(got.ok());
    CHECK(ReadReply(*got).rcode == static_cast<int>(Rcode::kServerFailure));
  }
  CHECK(pod.server->under_way() == kBound);
  // What the mesh knows needs nobody else.
  const std::string known =
      co_await AskByDatagram(pod.server->datagrams(), DnsQuery({.name = "web.example"}));
  CHECK(ReadReply(known).answers.size() == 1);
  CHECK_FALSE(world.lines.With({"too many questions at a time", "client"}).empty());
  co_await pod.End();
  co_await silent.End();
}

TEST_CASE("a storm of questions is bounded, and names of the mesh are answered meanwhile") {
  aquifer::test::Run(BoundsWhatIsUnderWay());
}

Task<void> LearnsOfTheClient() {
  World world;
  Pod pod(world);
  const std::shared_ptr<PodEndpoint> newcomer = world.Endpoint("newcomer", "default");
  Server server(world.context, pod.shared, *newcomer, pod.ending);
  REQUIRE(server.Bind().ok());
  server.Serve();
  Scope asking;
  std::string reply;
  struct Asking {
    static Task<void> Run(Address to, std::string& reply) {
      reply = co_await AskByDatagram(to, DnsQuery({.name = "web.example"}));
    }
  };
  asking.Spawn(Asking::Run(server.datagrams(), reply));
  co_await World::Until([&] { return server.under_way() == 1; });
  world.builder.Put(mesh::Pod("newcomer", "127.0.0.9"));
  world.Publish();
  co_await asking.Join();
  CHECK(ReadReply(reply).answers.size() == 1);
  CHECK(server.under_way() == 0);
  pod.ending.Stop(Reason::kStopped);
  co_await server.Finish();
  co_await pod.End();
}

TEST_CASE("a pod that the mesh learns of a moment later is answered then") {
  aquifer::test::Run(LearnsOfTheClient());
}

Task<void> ClosesHostileConnections() {
  World world;
  Pod pod(world);
  io::SocketPtr large = co_await node::test::Dial(pod.server->connections());
  co_await node::test::Say(*large, "\xff\xff");
  const std::string end = co_await node::test::Hear(*large);
  CHECK((end == "FIN" || end == "peer_reset"));
  io::SocketPtr response = co_await node::test::Dial(pod.server->connections());
  std::string wire = DnsQuery({});
  wire[2] = static_cast<char>(wire[2] | 0x80);
  co_await node::test::Say(*response, Framed(wire));
  CHECK(co_await node::test::Hear(*response) == "FIN");
  co_await pod.End();
}

TEST_CASE("a connection that brings no query is closed") {
  aquifer::test::Run(ClosesHostileConnections());
}

}  // namespace
}  // namespace aquifer::node::dns
