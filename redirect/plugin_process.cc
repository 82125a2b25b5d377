#include "redirect/plugin_process.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <tuple>
#include <utility>

#include "core/base/last_error.h"
#include "core/io/seqpacket.h"
#include "core/rt/loop.h"
#include "core/rt/timer.h"

namespace aquifer::redirect {
namespace {

constexpr size_t kMaxInput = 1 << 20;
// Between two parts of standard input: a runtime writes it at once and closes it.
constexpr int kInputMilliseconds = 5000;
constexpr io::SeqpacketSocket::Limits kLimits{kMaxPluginPacket, 0};
// While the agent is replaced by a newer one nobody listens. A pod that starts just then waits for
// a moment, rather than for kubelet's next attempt.
constexpr Clock::duration kAgentRestarts = std::chrono::seconds(5);
constexpr Clock::duration kDialAgain = std::chrono::milliseconds(100);
// Nothing depends on the agent's answer to a DEL.
constexpr std::chrono::seconds kDelTimeout(5);

std::string Variable(const char* name) {
  const char* const value = ::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

Task<void> AskInTime(const PluginSettings& settings, const PluginRequest& request,
                     Decoded<PluginAnswer>& answer) {
  const bool leaves = request.command == PluginCommand::kDel;
  const std::chrono::seconds longest =
      leaves ? std::min(settings.timeout, kDelTimeout) : settings.timeout;
  TimedStop timed(StopToken(), longest, Reason::kTimeout);
  PluginRequest asked = request;
  answer = co_await AskAgent(settings.socket, std::move(asked), timed.token());
}

Task<Result<io::SeqpacketSocketPtr>> Dial(std::string socket, Clock::duration patience,
                                          StopToken stop) {
  const TimePoint give_up = Loop::Current().now() + patience;
  while (true) {
    Result<io::SeqpacketSocketPtr> agent = co_await io::ConnectSeqpacket(socket, stop);
    if (agent || stop.requested() || Loop::Current().now() >= give_up) co_return agent;
    std::ignore = co_await SleepFor(kDialAgain, stop);
  }
}

int Finish(const PluginOutput& output) {
  std::fputs(output.note.c_str(), stderr);
  const bool written = std::fputs(output.text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
  return written ? output.exit_status : 1;
}

}  // namespace

bool IsCalledAsPlugin() { return ::getenv("CNI_COMMAND") != nullptr; }

int RunAsPlugin() {
  ::signal(SIGPIPE, SIG_IGN);  // a runtime that has gone shows as the error of a write
  Decoded<std::string> input = ReadInput(STDIN_FILENO, kMaxInput);
  if (!input) {
    return Finish(PluginFailure(std::string(kNewestCniVersion),
                                {CniCode::kIoFailure, "the network configuration cannot be read",
                                 input.error().ToString()}));
  }
  const PluginCall call{.command = Variable("CNI_COMMAND"),
                        .container_id = Variable("CNI_CONTAINERID"),
                        .netns = Variable("CNI_NETNS"),
                        .args = Variable("CNI_ARGS"),
                        .conf = *std::move(input)};
  SocketAgent agent;
  return Finish(RunPlugin(call, agent));
}

Task<Decoded<PluginAnswer>> AskAgent(std::string socket, PluginRequest request, StopToken stop) {
  AQ_CO_TRY(std::string packet, EncodePluginRequest(request));
  const bool leaves = request.command == PluginCommand::kDel;
  const Clock::duration patience = leaves ? Clock::duration::zero() : kAgentRestarts;
  Result<io::SeqpacketSocketPtr> agent = co_await Dial(socket, patience, stop);
  if (!agent) co_return Refusal{socket, Describe(agent.error())};
  const Status sent = co_await (*agent)->Send(std::move(packet), -1, stop);
  if (!sent) co_return Refusal{socket, Describe(sent.error())};
  const auto answer = co_await (*agent)->Receive(kLimits, stop);
  if (!answer) co_return Refusal{socket, "no answer: " + Describe(answer.error())};
  co_return DecodePluginAnswer(answer->bytes);
}

Decoded<PluginAnswer> SocketAgent::Ask(const PluginSettings& settings,
                                       const PluginRequest& request) {
  // One exchange is no work for a ring, and some nodes refuse one.
  const Result<std::unique_ptr<Loop>> loop =
      Loop::Create({.queue_entries = 8, .backend = BackendKind::kEpoll});
  if (!loop) return Refusal{"loop", Describe(loop.error())};
  Decoded<PluginAnswer> answer = Refusal{settings.socket, "no answer"};
  (*loop)->Run(AskInTime(settings, request, answer));
  return answer;
}

Decoded<std::string> ReadInput(int fd, size_t max) {
  const std::string field = "standard input";
  std::string text;
  while (true) {
    pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
    const int found = ::poll(&ready, 1, kInputMilliseconds);
    if (found < 0 && errno == EINTR) continue;
    if (found < 0) return Refusal{field, Describe(LastError())};
    if (found == 0) return Refusal{field, "has no end"};
    char part[16 * 1024];
    const ssize_t got = ::read(fd, part, sizeof part);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Refusal{field, Describe(LastError())};
    if (got == 0) return text;
    text.append(part, static_cast<size_t>(got));
    if (text.size() > max)
      return Refusal{field, "is larger than " + std::to_string(max) + " bytes"};
  }
}

}  // namespace aquifer::redirect
