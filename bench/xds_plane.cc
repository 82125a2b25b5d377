// A control plane of a made-up mesh of any size, for bench/scale.py: serves workloads, services and
// policies by delta xDS the way istiod does (all of a type in the first response, then changes),
// signs whatever certificate is asked for, and measures how long a change of one endpoint takes to
// reach new connections. It is the endpoint, too: each connection is told the address it came to.
//   xds_plane --listen IP:PORT --state DIR --workloads N --services N --policies N [--chunk N]
// Writes <state>/root-cert.pem, then prints "serving". Port + 1 takes lines:
//   stats             what was sent and acknowledged
//   updates N RATE    N changes of the endpoint of kVip, RATE a second, each awaited
// and answers each with a line of JSON. The loop's thread serves; one thread each takes connections
// and commands, with blocking calls.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "bench/made_mesh.h"
#include "certs/ca_service.h"
#include "certs/tls_stream.h"
#include "core/app/arguments.h"
#include "core/app/process.h"
#include "core/app/program.h"
#include "core/io/socket.h"
#include "core/rt/scope.h"
#include "mesh/proto/discovery.pb.h"

namespace aquifer::bench {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using std::chrono::steady_clock;

constexpr const char* kMethod =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
// So many connections in a row must reach the new endpoint: each worker of a proxy has its view.
constexpr int kInARow = 16;
constexpr auto kPatience = std::chrono::seconds(10);
constexpr std::size_t kMaxRequestBytes = 256 << 20;

class AnySigning final : public certs::SigningPolicy {
 public:
  Task<Result<certs::Identity, http::GrpcStatus>> Authorize(const http::RequestHead&,
                                                            const certs::SigningRequest& request,
                                                            StopToken) override {
    if (request.impersonated) co_return *request.impersonated;
    co_return certs::Identity{"cluster.local", "probe", "default"};
  }
  void OnMalformed(const http::RequestHead&, const http::GrpcStatus&) override {}
};

// What the loop's thread has; the others post to it.
class Plane {
 public:
  explicit Plane(const Size& size) : responses_(Everything(size)) {}

  void RegisterWith(http::GrpcServer& server) {
    server.Register(
        kMethod, [this](http::GrpcServerCall& call, StopToken stop) { return Serve(call, stop); });
  }
  // To the stream there is, if any.
  void Send(std::string message) {
    queue_.push_back(std::move(message));
    due_.Set();
  }
  std::string Stats() const {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(last_ack_ - first_ask_);
    return "{\"sent_bytes\": " + std::to_string(sent_bytes_) +
           ", \"acks\": " + std::to_string(acks_) + ", \"nacks\": " + std::to_string(nacks_) +
           ", \"acknowledged_s\": " + std::to_string(static_cast<double>(ms.count()) / 1000) + "}";
  }

 private:
  Task<http::GrpcStatus> Serve(http::GrpcServerCall& call, StopToken stop) {
    call.set_max_message_bytes(kMaxRequestBytes);
    at_.clear();
    queue_.clear();
    StopSource ended(stop);
    Scope reading;
    reading.Spawn(Read(call, ended));
    while (true) {
      const Status waited = co_await due_.Wait(ended.token());
      if (!waited) break;
      due_.Reset();
      while (!queue_.empty()) {
        std::string message = std::move(queue_.front());
        queue_.pop_front();
        sent_bytes_ += message.size();
        const Status sent = co_await call.Send(std::move(message), ended.token());
        if (!sent) ended.RequestStop();
      }
    }
    co_await reading.Join();
    co_return http::GrpcStatus();
  }

  Task<void> Read(http::GrpcServerCall& call, StopSource& ended) {
    while (true) {
      const Result<std::optional<std::string>> message = co_await call.Receive(ended.token());
      DeltaDiscoveryRequest request;
      if (!message || !message->has_value() || !request.ParseFromString(**message)) break;
      Take(request);
    }
    ended.RequestStop();
  }

  void Take(const DeltaDiscoveryRequest& request) {
    if (first_ask_ == steady_clock::time_point()) first_ask_ = steady_clock::now();
    if (!request.response_nonce().empty()) {
      last_ack_ = steady_clock::now();
      ++(request.has_error_detail() ? nacks_ : acks_);
      if (request.has_error_detail())
        std::printf("refused: %.300s\n", request.error_detail().message().c_str());
    }
    // The first response, and the next of several once the last was acknowledged.
    const auto known = responses_.find(request.type_url());
    if (known == responses_.end()) return;
    std::size_t& at = at_[request.type_url()];
    if (at < known->second.size()) Send(known->second[at++]);
  }

  const std::map<std::string, std::vector<std::string>> responses_;
  std::map<std::string, std::size_t> at_;
  std::deque<std::string> queue_;
  Event due_;
  std::size_t sent_bytes_ = 0;
  std::size_t acks_ = 0;
  std::size_t nacks_ = 0;
  steady_clock::time_point first_ask_;
  steady_clock::time_point last_ack_;
};

[[noreturn]] void Die(const char* what) {
  std::fprintf(stderr, "xds_plane: %s (%s)\n", what, std::strerror(errno));
  std::exit(1);
}

sockaddr_in Inet(const char* host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, host, &address.sin_addr);
  return address;
}

int ListenOn(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = Inet("0.0.0.0", port);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) Die("bind");
  if (::listen(fd, 1024) != 0) Die("listen");
  return fd;
}

// The endpoint: tells whoever connects which address that was.
[[noreturn]] void AnswerWithAddress(int listener) {
  while (true) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    sockaddr_in own{};
    socklen_t length = sizeof own;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &length);
    std::ignore = ::send(fd, &own.sin_addr, sizeof own.sin_addr, MSG_NOSIGNAL);
    ::close(fd);
  }
}

// Whom a new connection to the service reaches; 0 when nobody.
in_addr_t Reached() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{.tv_sec = 2, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const sockaddr_in vip = Inet(kVip, kVipPort);
  in_addr_t reached = 0;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&vip), sizeof vip) != 0 ||
      ::recv(fd, &reached, sizeof reached, MSG_WAITALL) != sizeof reached)
    reached = 0;
  ::close(fd);
  return reached;
}

// One change, until kInARow connections after each other reach the new endpoint: the time until the
// first of these was answered, in milliseconds; negative when that did not come to be.
double Change(Loop& loop, Plane& plane, std::uint64_t number) {
  const std::size_t which = number % kEndpoints.size();
  const in_addr_t wanted = Inet(kEndpoints[which], 0).sin_addr.s_addr;
  const auto start = steady_clock::now();
  loop.Post([&plane, bytes = ProbedAt(which, number + 1)] { plane.Send(bytes); });
  auto first = start;
  for (int hits = 0; hits < kInARow;) {
    const bool hit = Reached() == wanted;
    const auto now = steady_clock::now();
    if (hit && hits == 0) first = now;
    hits = hit ? hits + 1 : 0;
    if (now - start > kPatience) return -1;
  }
  return std::chrono::duration<double, std::milli>(first - start).count();
}

std::string Changes(Loop& loop, Plane& plane, std::uint64_t& changed, std::size_t count,
                    double rate) {
  std::vector<double> times;
  std::size_t lost = 0;
  auto next = steady_clock::now();
  for (std::size_t i = 0; i < count; ++i) {
    std::this_thread::sleep_until(next);
    next = std::max(next + std::chrono::duration_cast<steady_clock::duration>(
                               std::chrono::duration<double>(1 / rate)),
                    steady_clock::now());
    const double ms = Change(loop, plane, ++changed);
    if (ms < 0) {
      ++lost;
    } else {
      times.push_back(ms);
    }
  }
  std::sort(times.begin(), times.end());
  const auto at = [&times](double part) {
    return times.empty()
               ? std::string("null")
               : std::to_string(
                     times[static_cast<std::size_t>(part * static_cast<double>(times.size() - 1))]);
  };
  return "{\"count\": " + std::to_string(times.size()) + ", \"lost\": " + std::to_string(lost) +
         ", \"p50_ms\": " + at(0.5) + ", \"p99_ms\": " + at(0.99) + ", \"max_ms\": " + at(1) + "}";
}

// One client at a time, one command a connection.
[[noreturn]] void TakeCommands(int listener, Loop& loop, Plane& plane) {
  std::uint64_t changed = 0;
  while (true) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    std::array<char, 256> line{};
    std::ignore = ::recv(fd, line.data(), line.size() - 1, 0);
    std::size_t count = 0;
    double rate = 1;
    std::string answer;
    if (std::sscanf(line.data(), "updates %zu %lf", &count, &rate) == 2 && rate > 0) {
      answer = Changes(loop, plane, changed, count, rate);
    } else {
      std::atomic<bool> told = false;
      loop.Post([&] {
        answer = plane.Stats();
        told = true;
        told.notify_one();
      });
      told.wait(false);
    }
    answer += "\n";
    std::ignore = ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
    ::close(fd);
  }
}

Decoded<certs::TlsContextRef> ServerContext(const certs::LocalCa& ca, const Address& listen) {
  const certs::PrivateKey key = certs::PrivateKey::Generate();
  certs::SubjectNames names;
  names.ips.push_back(listen.ip);
  AQ_TRY(const std::string leaf,
         ca.IssueServer(key.get(), names, std::chrono::hours(24), certs::SystemWallTime()));
  const std::vector<std::string> chain = ca.ResponseChain(leaf);
  AQ_TRY(const certs::CertificateBundle bundle, certs::CertificateBundle::FromResponse(key, chain));
  return certs::TlsContext::HostServer(bundle, certs::PeerCertificate::kNone);
}

Task<void> ServeOne(const http::GrpcServer& grpc, certs::TlsContextRef tls, io::SocketPtr socket,
                    StopToken stop) {
  io::SetTunnelOptions(socket->fd());
  certs::PeerExpectation nobody = certs::OneOf{};
  const certs::WallTime now = certs::SystemWallTime();
  Result<certs::TlsStreamPtr, certs::Failure> secure = co_await certs::ServerHandshake(
      std::move(socket), std::move(tls), std::move(nobody), now, stop);
  if (!secure) co_return;
  std::ignore = co_await grpc.ServeConnection(*std::move(secure), http::H2Options(), stop);
}

Task<Result<void, Refusal>> Serve(Address listen, std::string state, Size size, StopToken stop) {
  const certs::LocalCa ca = certs::LocalCa::Create("bench", certs::SystemWallTime());
  const Status saved = ca.Save(state);
  if (!saved) co_return Refusal{"--state", Describe(saved.error())};
  AQ_CO_TRY(const certs::TlsContextRef tls, ServerContext(ca, listen));
  // For as long as the process lives: its threads end with it.
  static Plane plane(size);
  AnySigning anybody;
  certs::CaService signing(ca, anybody, &certs::SystemWallTime);
  http::GrpcServer grpc;
  plane.RegisterWith(grpc);
  signing.RegisterWith(grpc);
  Result<std::unique_ptr<io::Listener>> listener = io::Listener::Listen(listen);
  if (!listener) co_return Refusal{"--listen", Describe(listener.error())};
  const int endpoint = ListenOn(kEndpointPort);
  const int commands = ListenOn(static_cast<std::uint16_t>(listen.port + 1));
  // Both block for good: the process ends without them.
  const std::thread answering(AnswerWithAddress, endpoint);
  const std::thread commanded(TakeCommands, commands, std::ref(Loop::Current()), std::ref(plane));
  std::printf("serving\n");
  std::fflush(stdout);
  Scope connections;
  while (!stop.requested()) {
    Result<io::SocketPtr> socket = co_await (*listener)->Accept(stop);
    if (socket) connections.Spawn(ServeOne(grpc, tls, *std::move(socket), stop));
  }
  co_await connections.Join();
  std::_Exit(0);
}

int Run(std::span<char* const> words) {
  const app::Program self{.name = "xds_plane", .help = "see the head of bench/xds_plane.cc\n"};
  static constexpr std::array<app::Flag, 6> kFlags{{{"--listen", "IP:PORT"},
                                                    {"--state", "DIR"},
                                                    {"--workloads", "N"},
                                                    {"--services", "N"},
                                                    {"--policies", "N"},
                                                    {"--chunk", "N"}}};
  const std::vector<std::string_view> given(words.begin(), words.end());
  const Decoded<app::Arguments> arguments = app::Arguments::Parse(given, kFlags);
  if (!arguments) return self.Misused(arguments.error().ToString());
  const std::optional<Address> listen = Address::Parse(arguments->Value("--listen"));
  const auto number = [&arguments](std::string_view flag) {
    const std::string text = arguments->Value(flag, "0");
    std::size_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  };
  const Size size{.workloads = number("--workloads"),
                  .services = number("--services"),
                  .policies = number("--policies"),
                  .chunk = number("--chunk")};
  if (!listen || size.services == 0 || !arguments->Has("--state"))
    return self.Misused("--listen, --state and --services are needed");
  app::Process process({.program = "xds_plane", .scope = "bench"});
  return process.Run(
      [&](StopToken stop) { return Serve(*listen, arguments->Value("--state"), size, stop); });
}

}  // namespace
}  // namespace aquifer::bench

int main(int argc, char** argv) {
  return aquifer::bench::Run(std::span<char* const>(argv + 1, static_cast<std::size_t>(argc - 1)));
}
