#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "cli/commands.h"
#include "cli/line_cutter.h"
#include "cli/our_pods.h"
#include "core/app/duration.h"
#include "core/rt/scope.h"
#include "kube/list_page.h"

namespace aquifer::cli {
namespace {

constexpr std::array<std::string_view, 4> kParts = {"node", "waypoint", "control", "cni"};
constexpr size_t kMaxPods = 200;         // that are followed at once
constexpr size_t kMaxBytes = 256 << 20;  // of all pods, that are put into the order of their times
constexpr int kMaxTail = 100'000;
constexpr int kUsualTail = 100;

struct Wanted {
  std::string part;  // empty: all
  std::string node;
  std::string query;  // without what says whether it is followed
  bool follow = false;
};

std::optional<int> ReadCount(const std::string& text) {
  if (text.empty() || text.size() > 6 || text.find_first_not_of("0123456789") != std::string::npos)
    return std::nullopt;
  const int count = std::stoi(text);
  return count <= kMaxTail ? std::optional(count) : std::nullopt;
}

Decoded<Wanted> ReadWanted(const app::Arguments& arguments) {
  Wanted wanted;
  if (!arguments.plain().empty()) wanted.part = arguments.plain()[0];
  if (!wanted.part.empty() && std::find(kParts.begin(), kParts.end(), wanted.part) == kParts.end())
    return Refusal{wanted.part, "is none of node, waypoint, control and cni"};
  wanted.node = arguments.Value("--node");
  wanted.follow = arguments.Has("--follow");
  if (arguments.Has("--since")) {
    const auto since = app::ParseDuration(arguments.Value("--since"));
    if (!since || since->count() < 1000) return Refusal{"--since", "is not a duration such as 10m"};
    wanted.query = "sinceSeconds=" + std::to_string(since->count() / 1000) + "&";
  }
  const std::string tail =
      arguments.Value("--tail", std::to_string(arguments.Has("--since") ? kMaxTail : kUsualTail));
  if (!ReadCount(tail))
    return Refusal{"--tail", "is not a number of lines up to " + std::to_string(kMaxTail)};
  wanted.query += "tailLines=" + tail;
  return wanted;
}

std::string PathOf(const OurPod& pod, const std::string& query) {
  const KindPath pods{"/api/v1", "pods", true};
  return ObjectPath(pods, pod.name_space, pod.name) +
         "/log?container=" + kube::QueryValue(pod.container) + "&" + query;
}

// Lines with the time at their front, in the order of that time.
struct TimedLine {
  std::string time;
  std::string text;
};

TimedLine CutTime(std::string line, const std::string& prefix) {
  const size_t blank = std::min(line.find(' '), line.size());
  return {line.substr(0, blank), prefix + line.substr(std::min(blank + 1, line.size()))};
}

struct Shared {
  const Context& context;
  Cluster& cluster;
  const Wanted& wanted;
  size_t failed = 0;
  size_t bytes = 0;  // that are held
};

void Complain(Shared& shared, const OurPod& pod, const ApiFailure& failure) {
  ++shared.failed;
  shared.context.out.Complain(pod.ToString() + ": " + failure.ToString());
}

Task<void> FollowOne(Shared& shared, OurPod pod, StopToken stop) {
  const std::string prefix = "[" + pod.name + "] ";
  std::string path = PathOf(pod, shared.wanted.query + "&follow=true");
  const Answer<std::unique_ptr<kube::ApiStream>> opened =
      co_await shared.cluster.Open(std::move(path), stop);
  if (!opened.ok()) co_return Complain(shared, pod, opened.error());
  LineCutter lines;
  while (true) {
    const Result<Chunk, ApiFailure> chunk = co_await (*opened)->Read(stop);
    if (!chunk.ok()) {
      if (!stop.requested()) Complain(shared, pod, chunk.error());
      co_return;
    }
    if (chunk->empty()) break;
    for (const std::string& line : lines.Feed(chunk->text()))
      shared.context.out.Line({Cell(prefix, Colour::kFaint), line});
    // Who read it has gone.
    if (std::ferror(stdout) != 0) co_return;
  }
  const std::string rest = lines.Finish();
  if (!rest.empty()) shared.context.out.Line({Cell(prefix, Colour::kFaint), rest});
}

Task<void> ReadOne(Shared& shared, OurPod pod, std::vector<TimedLine>& all, StopToken stop) {
  std::string path = PathOf(pod, shared.wanted.query + "&timestamps=true");
  const size_t room = std::min(kMaxText, kMaxBytes - shared.bytes);
  const Answer<std::string> text = co_await shared.cluster.Text(std::move(path), stop, room);
  if (!text.ok() && text.error().too_large) {
    ++shared.failed;
    shared.context.out.Complain(pod.ToString() + ": its log is larger than the " +
                                std::to_string(room) +
                                " bytes that are left; --tail, --since and --node ask for less");
    co_return;
  }
  if (!text.ok()) co_return Complain(shared, pod, text.error());
  shared.bytes += text->size();
  LineCutter lines;
  const std::string prefix = "[" + pod.name + "] ";
  for (std::string& line : lines.Feed(*text)) all.push_back(CutTime(std::move(line), prefix));
  std::string rest = lines.Finish();
  if (!rest.empty()) all.push_back(CutTime(std::move(rest), prefix));
}

Task<void> ReadAll(Shared& shared, const std::vector<OurPod>& pods, StopToken stop) {
  std::vector<TimedLine> all;
  for (const OurPod& pod : pods) co_await ReadOne(shared, pod, all, stop);
  // Lines of one pod stay in their order.
  std::vector<std::pair<std::string_view, size_t>> order;
  for (size_t i = 0; i < all.size(); ++i) order.emplace_back(all[i].time, i);
  std::sort(order.begin(), order.end());
  for (const auto& [time, at] : order) shared.context.out.Line({all[at].text});
}

Task<int> Ask(const Context& context, Cluster& cluster, StopToken stop) {
  const Decoded<Wanted> wanted = ReadWanted(context.arguments);
  if (!wanted) co_return context.Misused(wanted.error());
  Answer<std::vector<OurPod>> pods = co_await ListOurPods(cluster, stop);
  if (!pods.ok()) co_return context.Failed("pods cannot be listed: " + pods.error().ToString());
  std::erase_if(*pods, [&](const OurPod& pod) {
    return (!wanted->part.empty() && pod.part != wanted->part) ||
           (!wanted->node.empty() && pod.node != wanted->node);
  });
  if (pods->empty()) co_return context.Failed("there is no such pod of Aquifer");
  if (pods->size() > kMaxPods) {
    context.out.Say("only the first " + std::to_string(kMaxPods) + " of " +
                    std::to_string(pods->size()) + " pods are read; --node says which");
    pods->resize(kMaxPods);
  }
  Shared shared{context, cluster, *wanted};
  if (wanted->follow) {
    Scope streams;
    for (const OurPod& pod : *pods) streams.Spawn(FollowOne(shared, pod, stop));
    co_await streams.Join();
  } else {
    co_await ReadAll(shared, *pods, stop);
  }
  co_return shared.failed == 0 ? 0 : kExitBad;
}

}  // namespace

Command LogsCommand() {
  Command command;
  command.name = "logs";
  command.summary = "what the pods of Aquifer log, each line with its pod in front";
  command.words = "[node|waypoint|control|cni]";
  command.details = "waypoint is every pod that serves a Gateway.";
  command.flags = {{"--node", "NAME", "only pods on that node"},
                   {"--follow", "", "go on with what comes", 'f'},
                   {"--since", "DURATION", "only what is younger, such as 10m"},
                   {"--tail", "LINES", "of each pod (default 100, with --since all)"}};
  command.max_words = 1;
  command.ask = &Ask;
  command.timeout = std::chrono::seconds(0);
  return command;
}

}  // namespace aquifer::cli
