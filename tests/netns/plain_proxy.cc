// A node proxy without a mesh, for the tests of redirect: takes pods from the agent over ZDS,
// listens in their namespaces as the real one does, and carries every captured connection in the
// clear to where it was going. Prints one line for each.
//   plain_proxy ZDS_SOCKET [--refuse POD]...     refuses to start the pods of these names
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>

#include "core/app/process.h"
#include "core/io/copy.h"
#include "core/io/socket.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "redirect/cni_client.h"
#include "redirect/original_dst.h"
#include "redirect/pod_sockets.h"

namespace aquifer::redirect {
namespace {

enum class Direction { kOutbound, kInbound };

struct PodProxy {
  Pod pod;
  PodSockets sockets;
  StopSource stop;
  Scope scope;
};

Task<void> Carry(PodProxy& proxy, io::SocketPtr client, Direction direction) {
  const Result<Address> target = OriginalDestination(client->fd());
  if (!target) co_return;
  const bool outbound = direction == Direction::kOutbound;
  std::printf("%s %s from %s to %s\n", proxy.pod.info.name.c_str(),
              outbound ? "outbound" : "inbound", client->peer().ToString().c_str(),
              target->ToString().c_str());
  UniqueFd fd;
  if (outbound) {
    Result<UniqueFd> made = proxy.sockets.Upstream(target->ip);
    if (made) fd = *std::move(made);
  } else {
    auto made = proxy.sockets.UpstreamFrom(client->peer().ip, target->ip);
    if (made && made->source_kept) fd = std::move(made->fd);
  }
  if (!fd.valid()) {
    std::printf("%s no socket\n", proxy.pod.info.name.c_str());
    co_return;
  }
  TimedStop timed(proxy.stop.token(), std::chrono::seconds(5), Reason::kConnectTimeout);
  Result<io::SocketPtr> upstream = co_await io::ConnectWith(std::move(fd), *target, timed.token());
  timed.Disarm();
  if (!upstream) {
    std::printf("%s upstream: %s\n", proxy.pod.info.name.c_str(),
                Describe(upstream.error()).c_str());
    co_return;
  }
  io::CopyTotals totals;
  std::ignore = co_await io::CopyBothWays(*client, **upstream, totals, proxy.stop.token());
}

Task<void> Accept(PodProxy& proxy, UniqueFd fd, Direction direction) {
  io::Listener listener(std::move(fd));
  while (true) {
    Result<io::SocketPtr> client = co_await listener.Accept(proxy.stop.token());
    if (!client) co_return;
    proxy.scope.Spawn(Carry(proxy, *std::move(client), direction));
  }
}

class PlainProxy final : public PodHandler {
 public:
  PlainProxy(NetnsRef home, std::set<std::string> refused)
      : home_(std::move(home)), refused_(std::move(refused)) {}

  Task<Result<void, std::string>> StartPod(Pod pod, StopToken) override {
    if (refused_.contains(pod.info.name)) co_return std::string("refused, as asked");
    const PodSockets sockets(pod.netns, home_, PodSocketOptions{});
    auto outbound = sockets.Listen(15001, SourceKept::kNo);
    auto inbound = sockets.Listen(15006, SourceKept::kRequired);
    if (!outbound) co_return "15001: " + Describe(outbound.error());
    if (!inbound) co_return "15006: " + Describe(inbound.error());
    const std::string uid = pod.uid;
    auto proxy = std::unique_ptr<PodProxy>(
        new PodProxy{.pod = std::move(pod), .sockets = sockets, .stop = {}, .scope = {}});
    proxy->scope.Spawn(Accept(*proxy, std::move(outbound->fd), Direction::kOutbound));
    proxy->scope.Spawn(Accept(*proxy, std::move(inbound->fd), Direction::kInbound));
    pods_[uid] = std::move(proxy);
    std::printf("serves %s\n", uid.c_str());
    co_return Result<void, std::string>();
  }

  Task<void> StopPod(std::string uid) override {
    const auto found = pods_.find(uid);
    if (found == pods_.end()) co_return;
    const std::unique_ptr<PodProxy> proxy = std::move(found->second);
    pods_.erase(found);
    proxy->stop.RequestStop(Reason::kDrained);
    co_await proxy->scope.Join();
    std::printf("ended %s\n", uid.c_str());
  }

  Task<void> StopAll() {
    while (!pods_.empty()) co_await StopPod(pods_.begin()->first);
  }

 private:
  NetnsRef home_;
  std::set<std::string> refused_;
  std::map<std::string, std::unique_ptr<PodProxy>> pods_;
};

Task<void> PrintReadiness(const CniClient& client, StopToken stop) {
  bool was = false;
  while (co_await SleepFor(std::chrono::milliseconds(10), stop)) {
    if (client.ready() != was) std::printf("%s\n", was ? "not ready" : "ready");
    was = client.ready();
  }
}

Task<Result<void, Refusal>> Run(CniClientOptions options, PlainProxy& proxy, obs::Logger& log,
                                StopToken stop) {
  CniClient client(std::move(options), proxy, log);
  Scope scope;
  scope.Spawn(PrintReadiness(client, stop));
  co_await client.Run(stop);
  co_await proxy.StopAll();
  co_await scope.Join();
  co_return Result<void, Refusal>();
}

int Main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (argc < 2) return 2;
  std::set<std::string> refused;
  for (int i = 2; i + 1 < argc; i += 2) refused.insert(argv[i + 1]);
  app::Process process({.program = "plain_proxy",
                        .scope = "plain_proxy",
                        .log_levels = obs::LevelFilter(obs::Level::kDebug)});
  Result<NetnsRef> home = Netns::Current();
  if (!home) return 1;
  PlainProxy proxy(*std::move(home), std::move(refused));
  return process.Run(
      [&](StopToken stop) { return Run({.path = argv[1]}, proxy, process.log(), stop); });
}

}  // namespace
}  // namespace aquifer::redirect

int main(int argc, char** argv) { return aquifer::redirect::Main(argc, argv); }
