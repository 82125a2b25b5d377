#include "node-proxy/dns/forwarder.h"

#include <algorithm>

#include "core/io/datagram.h"
#include "core/io/socket.h"
#include "core/rt/timer.h"
#include "node-proxy/dns/frame.h"
#include "node-proxy/dns/message.h"

namespace aquifer::node::dns {
namespace {

constexpr auto kTryTimeout = std::chrono::seconds(2);
constexpr std::size_t kLeastTries = 2;
constexpr std::size_t kMostTries = 3;
// So many packets that are no answer to the question are somebody's attempt to forge one.
constexpr int kMostForeign = 32;

bool Answers(Bytes message, std::uint16_t id, Bytes question) {
  const std::optional<Envelope> envelope = ReadEnvelope(message);
  return envelope && envelope->response && envelope->id == id &&
         SameQuestion(envelope->question, question);
}

// The server could not say; another one may.
bool Failed(const Envelope& envelope) {
  return envelope.rcode == Rcode::kServerFailure || envelope.rcode == Rcode::kRefused ||
         envelope.rcode == Rcode::kNotImplemented;
}

Task<Result<std::string>> ByDatagram(const redirect::PodSockets& sockets, std::string query,
                                     Address server, StopToken stop) {
  AQ_CO_TRY(UniqueFd fd, sockets.UpstreamDatagrams(server.ip));
  io::DatagramSocket socket(std::move(fd));
  // Connected: the kernel lets nobody else's packets in.
  AQ_CO_TRY_STATUS(socket.Connect(server));
  AQ_CO_TRY_STATUS(socket.Send(AsBytes(query)));
  const Envelope asked = *ReadEnvelope(AsBytes(query));
  for (int foreign = 0; foreign < kMostForeign; ++foreign) {
    AQ_CO_TRY_STATUS(co_await socket.WaitReadable(stop));
    Result<std::string> got = socket.TakeWhole();
    if (!got && got.error().reason == Reason::kNotFound) continue;
    if (!got) co_return got.error();
    if (Answers(AsBytes(*got), asked.id, asked.question)) co_return got;
  }
  co_return Error{Reason::kBadRequest};
}

Task<Result<std::string>> ReadFramed(io::Stream& stream, StopToken stop) {
  std::string bytes;
  while (!FrameIsWhole(bytes)) {
    Result<Chunk> more = co_await stream.Read(stop);
    if (!more) co_return more.error();
    if (more->empty()) co_return Error{Reason::kPeerClosed};
    bytes += more->text();
  }
  co_return TakeFrame(bytes);  // one question, one answer: what follows belongs to nobody
}

Task<Result<std::string>> ByConnection(const redirect::PodSockets& sockets, std::string query,
                                       Address server, StopToken stop) {
  AQ_CO_TRY(UniqueFd fd, sockets.Upstream(server.ip));
  AQ_CO_TRY(io::SocketPtr socket, co_await io::ConnectWith(std::move(fd), server, stop));
  Chunk chunk = Chunk::CopyOf(Framed(query));
  AQ_CO_TRY_STATUS(co_await socket->Write(std::move(chunk), stop));
  Result<std::string> got = co_await ReadFramed(*socket, stop);
  if (!got) co_return got;
  const Envelope asked = *ReadEnvelope(AsBytes(query));
  if (!Answers(AsBytes(*got), asked.id, asked.question)) co_return Error{Reason::kBadRequest};
  co_return got;
}

// Datagrams first also for who came by connection: most answers fit, and a policy of the network
// may let only them through.
Task<Result<std::string>> Try(const redirect::PodSockets& sockets, std::string query,
                              Protocol protocol, Address server, StopToken stop) {
  TimedStop timed(stop, kTryTimeout, Reason::kTimeout);
  const std::uint16_t id = static_cast<std::uint16_t>(redirect::SystemRandom());
  const std::string own = WithId(AsBytes(query), id);
  Result<std::string> got = co_await ByDatagram(sockets, own, server, timed.token());
  if (!got || protocol == Protocol::kUdp) co_return got;
  if (!ReadEnvelope(AsBytes(*got))->truncated) co_return got;
  timed.Restart(kTryTimeout);
  co_return co_await ByConnection(sockets, own, server, timed.token());
}

}  // namespace

Task<Result<std::string>> Forward(const redirect::PodSockets& sockets, std::string query,
                                  Protocol protocol, std::vector<Address> servers, StopToken stop) {
  Result<std::string> last = Error{Reason::kNoHealthyUpstream};
  if (servers.empty()) co_return last;
  const std::uint16_t id = ReadEnvelope(AsBytes(query))->id;
  const std::size_t tries = std::clamp(servers.size(), kLeastTries, kMostTries);
  for (std::size_t i = 0; i < tries && !stop.requested(); ++i) {
    Result<std::string> got =
        co_await Try(sockets, query, protocol, servers[i % servers.size()], stop);
    if (got) {
      last = WithId(AsBytes(*got), id);
      if (!Failed(*ReadEnvelope(AsBytes(*last))) || servers.size() == 1) break;
    } else if (!last) {
      last = got.error();
    }
  }
  co_return last;
}

}  // namespace aquifer::node::dns
