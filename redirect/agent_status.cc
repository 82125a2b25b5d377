#include "redirect/agent_status.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>

#include "core/base/last_error.h"
#include "core/base/unique_fd.h"
#include "core/base/write_all.h"

namespace aquifer::redirect {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxFileBytes = 16 * 1024 * 1024;
constexpr size_t kMaxPods = 4096;

Json ToJson(const PodStatus& status) {
  const WantedPod& pod = status.pod;
  Json json = {{"namespace", pod.info.ns},
               {"name", pod.info.name},
               {"serviceAccount", pod.info.service_account},
               {"uid", pod.uid},
               {"netns", pod.netns},
               {"inbound", pod.rules.inbound},
               {"dns", pod.rules.dns},
               {"capture", status.verified ? "verified" : "pending"},
               {"proxy", status.proxy}};
  if (!status.problem.empty()) json["problem"] = status.problem;
  return json;
}

Decoded<WantedPod> PodFromJson(const Json& json) {
  WantedPod pod{
      .uid = json.at("uid").get<std::string>(),
      .info = {.name = json.at("name").get<std::string>(),
               .ns = json.at("namespace").get<std::string>(),
               .service_account = json.at("serviceAccount").get<std::string>()},
      .netns = json.at("netns").get<std::string>(),
      .rules = {.inbound = json.at("inbound").get<bool>(), .dns = json.at("dns").get<bool>()}};
  if (const auto usable = CheckPodInfo(pod.info); !usable) return usable.error();
  return pod;
}

}  // namespace

std::string StatusToJson(const AgentStatus& status) {
  Json pods = Json::array();
  for (const PodStatus& pod : status.pods) pods.push_back(ToJson(pod));
  Json refusals = Json::array();
  for (const Refusal& refusal : status.refusals) refusals.push_back(refusal.ToString());
  const Json json = {{"node", status.node},
                     {"proxies", status.proxies},
                     {"pods", std::move(pods)},
                     {"refusals", std::move(refusals)}};
  // Texts of manifests and of the kernel may hold anything; a bad byte must not cost the file.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Decoded<std::vector<WantedPod>> PodsFromJson(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    const Json& entries = json.at("pods");
    if (!entries.is_array() || entries.size() > kMaxPods) {
      return Refusal{"pods", "must be a list of at most 4096"};
    }
    std::vector<WantedPod> pods;
    for (const Json& entry : entries) {
      AQ_TRY(WantedPod pod, PodFromJson(entry));
      pods.push_back(std::move(pod));
    }
    return pods;
  } catch (const std::exception& problem) {  // the library's way to refuse
    return Refusal{"status", problem.what()};
  }
}

Decoded<std::string> ReadStatusFile(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid() && errno == ENOENT) return std::string();
  struct stat info{};
  if (!file.valid() || ::fstat(file.get(), &info) != 0) {
    return Refusal{path, Describe(LastError())};
  }
  if (!S_ISREG(info.st_mode) || static_cast<size_t>(info.st_size) > kMaxFileBytes) {
    return Refusal{path, "is not a regular file of at most 16 MiB"};
  }
  std::string text(static_cast<size_t>(info.st_size), '\0');
  const ssize_t size = ::read(file.get(), text.data(), text.size());
  if (size < 0) return Refusal{path, Describe(LastError())};
  text.resize(static_cast<size_t>(size));
  return text;
}

Status ReplaceFile(const std::string& path, const std::string& text) {
  const std::string fresh = path + ".new";
  UniqueFd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!file.valid()) return LastError();
  AQ_TRY_STATUS(WriteAll(file.get(), text));
  if (::rename(fresh.c_str(), path.c_str()) != 0) return LastError();
  return {};
}

}  // namespace aquifer::redirect
