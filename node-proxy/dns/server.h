// The DNS server of one captured pod on one worker: sockets on the pod's loopback, to which the
// pod's queries are redirected. What the mesh knows is answered at once (dns/resolver), the rest
// goes to the name server that the pod meant, or else to ours (dns/forwarder). What one pod may
// have under way is bounded, so that a storm of one leaves the others alone. Owned by PodProxy; one
// thread: its Loop's.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/io/datagram.h"
#include "core/obs/rate_limiter.h"
#include "core/rt/scope.h"
#include "node-proxy/acceptor.h"
#include "node-proxy/context.h"
#include "node-proxy/dns/message.h"
#include "node-proxy/dns/metrics.h"
#include "node-proxy/dns/resolver.h"
#include "node-proxy/dns/upstreams.h"
#include "node-proxy/ending.h"
#include "node-proxy/pod_endpoint.h"
#include "redirect/datagram_origin.h"

namespace aquifer::node::dns {

// What the servers of one worker share. Outlives them.
struct WorkerDns {
  WorkerDns(const Config& config, DnsMetrics& dns_metrics);

  DnsMetrics& metrics;
  ResolverOptions resolver;
  Upstreams upstreams;
  std::size_t under_way = 0;
  std::array<std::uint8_t, kMostQueryBytes> buffer;
};

class Server {
 public:
  // `ending` outlives it.
  Server(WorkerContext& context, WorkerDns& shared, PodEndpoint& pod, Ending& ending);
  ~Server();

  // Binds every address of the settings that the pod has.
  Status Bind();
  void Serve();
  // Returns when nothing is left; once it ends.
  Task<void> Finish();

  // Of the first address; after Bind.
  Address datagrams() const { return sockets_.front()->local(); }
  Address connections() const { return acceptors_.front()->local(); }
  std::size_t under_way() const { return under_way_; }

 private:
  // One of the questions that wait for somebody else; their number is bounded.
  class Slot {
   public:
    explicit Slot(Server& server) : server_(&server) {
      ++server.under_way_;
      ++server.shared_.under_way;
    }
    Slot(Slot&& other) noexcept : server_(std::exchange(other.server_, nullptr)) {}
    ~Slot() {
      if (server_ == nullptr) return;
      --server_->under_way_;
      --server_->shared_.under_way;
    }

   private:
    Server* server_;
  };
  struct Question {
    Query query;
    std::string wire;
    Protocol protocol;
    Slot slot;
    Place descriptor;
    std::optional<Address> meant = {};  // the name server that the pod asked, where it is known
  };
  // Nothing to say, the answer, or a question whose answer takes a while.
  using Taken = std::variant<std::monostate, std::string, Question>;

  Status BindAt(const Address& address);
  Taken Take(Bytes message, Protocol protocol);
  std::optional<std::string> AnswerHere(const mesh::Workload& client, const Query& query,
                                        Bytes wire, Protocol protocol);
  Task<std::string> AnswerLater(Question question);
  Task<std::string> Pass(const mesh::Workload& client, Question& question);
  std::string Corrected(const mesh::Workload& client, const Query& query, std::string reply);

  Task<void> ServeDatagrams(io::DatagramSocket& socket);
  void TakeDatagrams(io::DatagramSocket& socket, int most);
  Task<void> AnswerDatagram(io::DatagramSocket& socket, Address from, Question question);
  std::optional<Address> MeantBy(const io::DatagramSocket& socket, const Address& from);

  void Admit(io::SocketPtr socket);
  Task<void> ServeConnection(io::SocketPtr socket);
  Task<Status> AnswerOne(io::Socket& socket, std::string& pending, StopToken over);

  void Log(const mesh::Workload* client, const Query& query, std::string_view result,
           std::size_t answers);

  WorkerContext& context_;
  WorkerDns& shared_;
  PodEndpoint& pod_;
  Ending& ending_;
  PodCounters counters_;
  obs::RateLimiter overload_lines_{5};
  std::optional<redirect::DatagramOrigin> origins_;
  bool ask_origins_ = true;
  std::size_t under_way_ = 0;
  std::size_t open_connections_ = 0;
  std::vector<std::unique_ptr<io::DatagramSocket>> sockets_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  Scope serving_;
  Scope answering_;
};

}  // namespace aquifer::node::dns
