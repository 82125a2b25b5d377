#include "node-proxy/dns/server.h"

#include <algorithm>

#include "core/rt/timer.h"
#include "node-proxy/dns/forwarder.h"
#include "node-proxy/dns/frame.h"
#include "redirect/original_dst.h"

namespace aquifer::node::dns {
namespace {

constexpr auto kIdleTimeout = std::chrono::seconds(5);
constexpr auto kOverloadPause = std::chrono::milliseconds(50);
// Questions under way, each with a socket. A pod that has few may go on when the worker has many.
constexpr std::size_t kMostOfPod = 256;
constexpr std::size_t kMostOfWorker = 4096;
constexpr std::size_t kAlways = 16;
constexpr std::size_t kMostConnections = 64;
// In one turn, so that other pods have theirs.
constexpr int kDatagramsATurn = 8;
constexpr int kLastDatagrams = 1024;
constexpr std::uint16_t kDiscardPort = 9;

// A redirected packet's destination; nothing for one that was sent to us.
std::optional<Address> NameServer(const Result<Address>& origin, const Address& local) {
  if (!origin || *origin == local || origin->ip.is_loopback() || origin->ip.is_any())
    return std::nullopt;
  return *origin;
}

}  // namespace

WorkerDns::WorkerDns(const Config& config, DnsMetrics& dns_metrics)
    : metrics(dns_metrics),
      resolver{.cluster_domain = config.cluster_domain,
               .preferred_namespace = config.preferred_namespace,
               .ipv6 = config.ipv6,
               .search = {}} {
  // In the pod itself: its resolver has what ours has.
  if (config.mode == ProxyMode::kDedicated) resolver.search = upstreams.Current({}).search;
}

Server::Server(WorkerContext& context, WorkerDns& shared, PodEndpoint& pod, Ending& ending)
    : context_(context), shared_(shared), pod_(pod), ending_(ending), counters_(shared.metrics) {}

Server::~Server() {
  AQ_CHECK(serving_.live() == 0 && answering_.live() == 0);
  context_.limits.node.Release(sockets_.size());
}

Status Server::Bind() {
  for (const Address& address : context_.config.dns_addresses) {
    if (address.ip.is_v6() && !pod_.sockets().HasIpv6()) continue;
    AQ_TRY_STATUS(BindAt(address));
  }
  if (sockets_.empty()) return Error{Reason::kUnsupported, EADDRNOTAVAIL};
  return Status();
}

Status Server::BindAt(const Address& address) {
  AQ_TRY(UniqueFd datagrams, pod_.sockets().DatagramsAt(address));
  AQ_TRY(UniqueFd connections, pod_.sockets().ListenAt(address));
  context_.limits.node.Reserve(1);
  sockets_.push_back(std::make_unique<io::DatagramSocket>(std::move(datagrams)));
  acceptors_.push_back(std::make_unique<Acceptor>(context_, pod_, std::move(connections)));
  return Status();
}

void Server::Serve() {
  for (const auto& socket : sockets_) serving_.Spawn(ServeDatagrams(*socket));
  for (const auto& acceptor : acceptors_) {
    serving_.Spawn(
        acceptor->Run(ending_, [this](io::SocketPtr socket) { Admit(std::move(socket)); }));
  }
}

Task<void> Server::Finish() {
  co_await serving_.Join();
  co_await answering_.Join();
}

// --- questions ---

Server::Taken Server::Take(Bytes message, Protocol protocol) {
  Result<Query, Unreadable> query = ReadQuery(message);
  if (!query) {
    if (!query.error().rcode) return std::monostate();
    return WriteRefusal(message, *query.error().rcode);
  }
  if (const mesh::WorkloadRef client = context_.snapshot->FindLocal(pod_.name())) {
    if (std::optional<std::string> reply = AnswerHere(*client, *query, message, protocol))
      return *std::move(reply);
  }
  if (under_way_ >= kMostOfPod || (shared_.under_way >= kMostOfWorker && under_way_ >= kAlways)) {
    context_.log.Limited(overload_lines_, obs::Level::kWarn, "dns", "too many questions at a time",
                         {{"pod", pod_.name().name}, {"namespace", pod_.name().ns}});
    return WriteRefusal(message, Rcode::kServerFailure);
  }
  Place descriptor = pod_.limits().TryEnter(Bound::kDescriptors);
  if (!descriptor) return WriteRefusal(message, Rcode::kServerFailure);
  return Question{.query = *std::move(query),
                  .wire = std::string(AsText(message)),
                  .protocol = protocol,
                  .slot = Slot(*this),
                  .descriptor = std::move(descriptor)};
}

std::optional<std::string> Server::AnswerHere(const mesh::Workload& client, const Query& query,
                                              Bytes wire, Protocol protocol) {
  if (query.klass != kClassIn || (query.type != kTypeA && query.type != kTypeAaaa))
    return std::nullopt;
  const std::optional<Answer> answer =
      Lookup(*context_.snapshot, client, query.name,
             query.type == kTypeA ? Family::kV4 : Family::kV6, shared_.resolver, context_.random);
  if (!answer) return std::nullopt;
  counters_.Request(&client, query.type, protocol);
  std::optional<std::string> reply = WriteAnswer(
      query, *answer, protocol == Protocol::kTcp ? kMostMessageBytes : query.udp_bytes());
  if (!reply) {
    Log(&client, query, "not a host name", 0);
    return WriteRefusal(wire, Rcode::kServerFailure);
  }
  Log(&client, query, answer->addresses.empty() ? "no records" : "success",
      answer->addresses.size());
  return reply;
}

Task<std::string> Server::AnswerLater(Question question) {
  const Result<mesh::WorkloadRef> client = co_await pod_.Workload(ending_.stop());
  if (!client) {
    counters_.Request(nullptr, question.query.type, question.protocol);
    Log(nullptr, question.query, "unknown source", 0);
    co_return WriteRefusal(AsBytes(question.wire), Rcode::kServerFailure);
  }
  // It may not have been known when the question came.
  std::optional<std::string> reply =
      AnswerHere(**client, question.query, AsBytes(question.wire), question.protocol);
  if (reply) co_return *std::move(reply);
  co_return co_await Pass(**client, question);
}

Task<std::string> Server::Pass(const mesh::Workload& client, Question& question) {
  const Query& query = question.query;
  counters_.Request(&client, query.type, question.protocol);
  const TimePoint start = Loop::Current().now();
  std::vector<Address> servers = question.meant ? std::vector<Address>{*question.meant}
                                                : shared_.upstreams.Current(start).servers;
  // Who is a name server of its own would ask itself without end.
  std::erase_if(servers, [this](const Address& server) {
    const std::vector<Address>& own = context_.config.dns_addresses;
    return std::find(own.begin(), own.end(), server) != own.end();
  });
  Result<std::string> reply = co_await Forward(pod_.sockets(), question.wire, question.protocol,
                                               std::move(servers), ending_.stop());
  const std::optional<Envelope> envelope =
      reply ? ReadEnvelope(AsBytes(*reply)) : std::optional<Envelope>();
  const bool answered =
      envelope && (envelope->rcode == Rcode::kNoError || envelope->rcode == Rcode::kNameError);
  counters_.Forwarded(client, query.type, question.protocol, Loop::Current().now() - start,
                      answered);
  if (!envelope) {
    Log(&client, query, "forwarding failed (" + Describe(reply.error()) + ")", 0);
    co_return WriteRefusal(AsBytes(question.wire), Rcode::kServerFailure);
  }
  Log(&client, query, "forwarded", envelope->answers);
  if (envelope->rcode != Rcode::kNameError) co_return *std::move(reply);
  co_return Corrected(client, query, *std::move(reply));
}

// A name that the mesh has and the name server has not exists: of this type it has nothing. Who
// heard otherwise would take it that there are no addresses either.
std::string Server::Corrected(const mesh::Workload& client, const Query& query, std::string reply) {
  if (query.klass != kClassIn || query.type == kTypeA || query.type == kTypeAaaa) return reply;
  std::optional<Answer> answer = Lookup(*context_.snapshot, client, query.name, Family::kV4,
                                        shared_.resolver, context_.random);
  if (!answer) return reply;
  answer->addresses.clear();
  answer->alias.clear();
  return WriteAnswer(query, *answer, query.udp_bytes()).value_or(std::move(reply));
}

void Server::Log(const mesh::Workload* client, const Query& query, std::string_view result,
                 std::size_t answers) {
  if (!context_.log.enabled(obs::Level::kDebug, "dns")) return;
  context_.log.Debug(
      "dns", "question",
      {{"src.workload", client == nullptr ? pod_.name().name : std::string(client->name)},
       {"src.namespace", pod_.name().ns},
       {"query", TypeWord(query.type)},
       {"domain", query.name},
       {"result", result},
       {"endpoints", answers}});
}

// --- by datagram ---

Task<void> Server::ServeDatagrams(io::DatagramSocket& socket) {
  StopSource either(ending_.drain());
  const StopLink stopped(ending_.stop(), either);
  while (!either.requested()) {
    const Status ready = co_await socket.WaitReadable(either.token());
    if (ready) {
      TakeDatagrams(socket, kDatagramsATurn);
    } else {
      std::ignore = co_await SleepFor(kOverloadPause, either.token());
    }
  }
  if (ending_.stop().requested()) co_return;
  // Connected to a port that nobody speaks from, the socket gets nothing any more: what comes goes
  // to the other proxy of an upgrade. It stays open for what has come already and is answered yet.
  std::ignore = socket.Connect({socket.local().ip, kDiscardPort});
  TakeDatagrams(socket, kLastDatagrams);
  if (!ending_.has_last_arrivals()) co_return;
  // The kernel may have chosen this socket for a datagram before, and queued it since.
  const Status waited = co_await SleepFor(Ending::kLastArrivals, ending_.stop());
  if (waited.ok()) TakeDatagrams(socket, kLastDatagrams);
}

void Server::TakeDatagrams(io::DatagramSocket& socket, int most) {
  for (int i = 0; i < most; ++i) {
    const Result<io::DatagramSocket::Datagram> got = socket.Take(shared_.buffer);
    if (!got && got.error().reason == Reason::kNotFound) return;
    // Port 0 cannot be answered.
    if (!got || got->cut || got->from.port == 0) continue;
    Taken taken = Take(Bytes(shared_.buffer).first(got->size), Protocol::kUdp);
    if (const auto* const reply = std::get_if<std::string>(&taken)) {
      std::ignore = socket.SendTo(AsBytes(*reply), got->from);
    } else if (auto* const question = std::get_if<Question>(&taken)) {
      question->meant = MeantBy(socket, got->from);
      answering_.Spawn(AnswerDatagram(socket, got->from, std::move(*question)));
    }
  }
}

Task<void> Server::AnswerDatagram(io::DatagramSocket& socket, Address from, Question question) {
  const std::string reply = co_await AnswerLater(std::move(question));
  if (!ending_.stop().requested()) std::ignore = socket.SendTo(AsBytes(reply), from);
}

// The name server of the pod's own settings, which may differ from ours.
std::optional<Address> Server::MeantBy(const io::DatagramSocket& socket, const Address& from) {
  if (!ask_origins_) return std::nullopt;
  Result<Address> origin = Error{Reason::kNotFound};
  if (!origins_) {
    Result<redirect::DatagramOrigin> opened =
        pod_.sockets().Run([] { return redirect::DatagramOrigin::Open(); });
    if (opened) {
      origins_.emplace(*std::move(opened));
    } else {
      origin = opened.error();
    }
  }
  if (origins_) origin = origins_->Of(from, socket.local());
  if (!origin && origin.error().reason != Reason::kNotFound) {
    // What descriptors or memory are short of now may be there for the next question.
    ask_origins_ = origin.error().reason == Reason::kOverload;
    origins_.reset();
    context_.log.Debug("dns", "connection tracking cannot be asked: our own name servers are used",
                       {{"pod", pod_.name().name}, {"why", Describe(origin.error())}});
  }
  return NameServer(origin, socket.local());
}

// --- by connection ---

void Server::Admit(io::SocketPtr socket) {
  if (open_connections_ >= kMostConnections) return;
  ++open_connections_;
  answering_.Spawn(ServeConnection(std::move(socket)));
}

Task<void> Server::ServeConnection(io::SocketPtr socket) {
  StopSource idle(ending_.drain());
  const StopLink stopped(ending_.stop(), idle);
  std::string pending;
  // Who has connected has a question, and whoever takes over does not get it.
  Status went = co_await AnswerOne(*socket, pending, ending_.stop());
  while (went.ok()) went = co_await AnswerOne(*socket, pending, idle.token());
  socket.reset();
  --open_connections_;
}

// Reads one question, perhaps behind what `pending` has of it, and answers it.
Task<Status> Server::AnswerOne(io::Socket& socket, std::string& pending, StopToken over) {
  TimedStop timed(over, kIdleTimeout, Reason::kTimeout);
  while (!FrameIsWhole(pending)) {
    if (pending.size() >= 2 && FrameBytes(pending) > kMostQueryBytes)
      co_return Error{Reason::kBadRequest};
    Result<Chunk> more = co_await socket.Read(timed.token());
    if (!more) co_return more.error();
    if (more->empty()) co_return Error{Reason::kPeerClosed};
    pending += more->text();
  }
  timed.Disarm();
  const std::string message = TakeFrame(pending);
  Taken taken = Take(AsBytes(message), Protocol::kTcp);
  std::string reply;
  if (auto* const known = std::get_if<std::string>(&taken)) {
    reply = std::move(*known);
  } else if (auto* const question = std::get_if<Question>(&taken)) {
    question->meant = NameServer(redirect::OriginalDestination(socket.fd()), socket.local());
    reply = co_await AnswerLater(std::move(*question));
  } else {
    co_return Error{Reason::kBadRequest};
  }
  Chunk chunk = Chunk::CopyOf(Framed(reply));
  TimedStop writing(ending_.stop(), kIdleTimeout, Reason::kTimeout);
  co_return co_await socket.Write(std::move(chunk), writing.token());
}

}  // namespace aquifer::node::dns
