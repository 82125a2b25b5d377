#include "node-proxy/dns/server.h"

#include <functional>

#include "node-proxy/dns/frame.h"
#include "tests/support/run_task.h"
#include "tests/unit/node/dns_wire.h"
#include "tests/unit/node/world.h"

namespace aquifer::node::dns {
namespace {

using node::test::World;
using test::DnsQuery;
using test::DnsReply;
using test::ReadReply;

const Ip kLocal = Ip::Loopback4();

redirect::PodSockets Sockets() {
  return redirect::PodSockets({.mark = 0, .reuse_port = true, .ipv6 = false});
}

// What a name server says to a query, in this order.
using Script = std::function<std::vector<std::string>(std::string query, Protocol protocol)>;

// A reply to `query` with this rcode and what follows the question.
std::string ReplyTo(const std::string& query, int rcode, const std::string& rest = "",
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
std::string Record(std::uint8_t last) {
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
    server =
        std::make_unique<Server>(world.context, shared, *endpoint, drain.token(), stop.token());
    REQUIRE(server->Bind().ok());
    server->Serve();
  }
  Task<void> End() {
    stop.RequestStop();
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
  StopSource drain;
  StopSource stop;
  std::shared_ptr<PodEndpoint> endpoint;
  std::unique_ptr<Server> server;
};

std::string Labels(const std::string& type, const std::string& protocol) {
  return "request_query_type=\"" + type + "\",request_protocol=\"" + protocol +
         "\",source_canonical_service=\"unknown\",source_canonical_revision=\"unknown\"";
}

Task<std::string> AskByDatagram(Address server, std::string query) {
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

Task<std::string> AskByConnection(io::Socket& socket, std::string query) {
  co_await node::test::Say(socket, Framed(query));
  std::string reply;
  while (reply.size() < 2 || reply.size() < 2U + (AsBytes(reply)[0] << 8 | AsBytes(reply)[1]))
    reply += co_await node::test::Hear(socket);
  co_return reply.substr(2);
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

Task<void> LeavesNewQuestions() {
  World world;
  Pod pod(world);
  const Address address = pod.server->datagrams();
  Result<UniqueFd> second = Sockets().DatagramsAt(address);
  REQUIRE(second.ok());
  io::DatagramSocket other(*std::move(second));  // of the proxy that takes over
  pod.drain.RequestStop();
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
  pod.drain.RequestStop();  // before the server has had a turn
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

Task<void> LearnsOfTheClient() {
  World world;
  Pod pod(world);
  const std::shared_ptr<PodEndpoint> newcomer = world.Endpoint("newcomer", "default");
  Server server(world.context, pod.shared, *newcomer, pod.drain.token(), pod.stop.token());
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
  pod.stop.RequestStop();
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
