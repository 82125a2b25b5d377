#include "redirect/plugin_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <tuple>

#include "core/base/last_error.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"

namespace aquifer::redirect {
namespace {

constexpr std::string_view kScope = "plugin";
constexpr io::SeqpacketSocket::Limits kLimits{kMaxPluginPacket, 0};
constexpr Clock::duration kAcceptAgain = std::chrono::milliseconds(100);

// Whoever may ask can have rules put into any namespace: only our own user, which is root. The mode
// of the socket says so already, but a folder mounted by mistake may have lost that.
Status CheckPeer(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return LastError();
  if (peer.uid != ::geteuid()) return Error{Reason::kPolicyDenied};
  return {};
}

// A plugin says one thing. What can be read after that is its end.
Task<void> WatchPlugin(io::SeqpacketSocket& socket, StopSource& over) {
  const Status readable = co_await socket.WaitReadable(over.token());
  if (readable) over.RequestStop(Reason::kPeerClosed);
}

}  // namespace

Status PluginServer::Listen() {
  AQ_TRY(listener_, io::SeqpacketListener::Listen(options_.path));
  return {};
}

Task<void> PluginServer::Run(StopToken stop) {
  Scope scope;
  while (!stop.requested()) {
    freed_.Reset();
    if (serving_ >= kMaxExchanges) {
      std::ignore = co_await freed_.Wait(stop);
      continue;
    }
    Result<io::SeqpacketSocketPtr> socket = co_await listener_->Accept(stop);
    if (socket) {
      ++serving_;
      scope.Spawn(Serve(*std::move(socket), stop));
    } else if (!stop.requested()) {
      log_.Limited(limiter_, obs::Level::kError, kScope, "a plugin was not accepted",
                   {{"error", Describe(socket.error())}});
      std::ignore = co_await SleepFor(kAcceptAgain, stop);
    }
  }
  co_await scope.Join();
}

Task<void> PluginServer::Serve(io::SeqpacketSocketPtr socket, StopToken stop) {
  const Status served = co_await Exchange(*socket, stop);
  --serving_;
  freed_.Set();
  if (served || stop.requested()) co_return;
  ++counters_.broken_exchanges;
  log_.Limited(limiter_, obs::Level::kWarn, kScope, "a plugin was not answered",
               {{"error", Describe(served.error())}});
}

Task<Status> PluginServer::Exchange(io::SeqpacketSocket& socket, StopToken stop) {
  AQ_CO_TRY_STATUS(CheckPeer(socket.fd()));
  Result<std::string> packet = co_await Receive(socket, stop);
  if (!packet) co_return packet.error();
  const PluginAnswer answer = co_await Answer(*std::move(packet), socket, stop);
  if (!answer.error.empty()) ++counters_.failed_requests;
  std::string text = EncodePluginAnswer(answer);
  TimedStop timed(stop, options_.exchange_timeout, Reason::kTimeout);
  const Status sent = co_await socket.Send(std::move(text), -1, timed.token());
  co_return sent;
}

Task<Result<std::string>> PluginServer::Receive(io::SeqpacketSocket& socket, StopToken stop) {
  TimedStop timed(stop, options_.exchange_timeout, Reason::kTimeout);
  Result<io::SeqpacketSocket::Packet> packet = co_await socket.Receive(kLimits, timed.token());
  if (!packet) co_return packet.error();
  co_return std::move(packet->bytes);
}

Task<PluginAnswer> PluginServer::Answer(std::string packet, io::SeqpacketSocket& socket,
                                        StopToken stop) {
  ++counters_.requests;
  Decoded<PluginRequest> request = DecodePluginRequest(packet);
  if (request) {
    PluginAnswer answer = co_await CarryOut(*std::move(request), socket, stop);
    co_return answer;
  }
  log_.Limited(limiter_, obs::Level::kError, kScope, "a request was refused",
               {{"field", request.error().field}, {"why", request.error().why}});
  co_return PluginAnswer{.enrolled = false, .error = request.error().ToString()};
}

Task<PluginAnswer> PluginServer::CarryOut(PluginRequest request, io::SeqpacketSocket& socket,
                                          StopToken stop) {
  const std::string pod = request.ns + "/" + request.name;
  TimedStop timed(stop, options_.answer_timeout, Reason::kTimeout);
  StopSource over(timed.token());
  Scope watch;
  watch.Spawn(WatchPlugin(socket, over));
  const Decoded<bool> done = co_await Hand(std::move(request), over.token());
  over.RequestStop(Reason::kStopped);  // the first reason wins
  co_await watch.Join();
  if (done) co_return PluginAnswer{.enrolled = *done};
  log_.Limited(limiter_, obs::Level::kError, kScope, "a pod was kept from starting",
               {{"pod", pod}, {"error", done.error().ToString()}});
  co_return PluginAnswer{.enrolled = false, .error = done.error().ToString()};
}

Task<Decoded<bool>> PluginServer::Hand(PluginRequest request, StopToken stop) {
  switch (request.command) {
    case PluginCommand::kAdd:
      return handler_.Add(std::move(request), stop);
    case PluginCommand::kDel:
      return handler_.Del(std::move(request), stop);
    case PluginCommand::kCheck:
      break;
  }
  return handler_.Check(std::move(request), stop);
}

}  // namespace aquifer::redirect
