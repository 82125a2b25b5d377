#include "node-proxy/dns/upstreams.h"

#include <array>
#include <chrono>
#include <fstream>

#include "absl/strings/ascii.h"

namespace aquifer::node::dns {
namespace {

constexpr auto kLookAgain = std::chrono::seconds(5);
constexpr std::size_t kMostFileBytes = 64 * 1024;
// As resolv.conf(5) has them.
constexpr std::size_t kMostServers = 3;
constexpr std::size_t kMostSearch = 32;
constexpr std::uint16_t kPort = 53;

// Takes the next word off `line`; empty at its end or a comment.
std::string_view Word(std::string_view& line) {
  constexpr std::string_view kBlank = " \t\r";
  const std::size_t start = line.find_first_not_of(kBlank);
  if (start == std::string_view::npos || line[start] == '#' || line[start] == ';') {
    line = {};
    return {};
  }
  line.remove_prefix(start);
  const std::string_view word = line.substr(0, line.find_first_of(kBlank));
  line.remove_prefix(word.size());
  return word;
}

std::string Domain(std::string_view word) {
  while (word.ends_with('.')) word.remove_suffix(1);
  return absl::AsciiStrToLower(word);
}

}  // namespace

ResolvConf ParseResolvConf(std::string_view text) {
  ResolvConf conf;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const std::string_view key = Word(line);
    if (key == "nameserver") {
      const std::optional<Ip> ip = Ip::Parse(Word(line));
      if (ip && conf.servers.size() < kMostServers) conf.servers.push_back({*ip, kPort});
    } else if (key == "search" || key == "domain") {
      // The last of them counts.
      conf.search.clear();
      for (std::string_view word = Word(line); !word.empty(); word = Word(line)) {
        std::string domain = Domain(word);
        if (!domain.empty() && conf.search.size() < kMostSearch)
          conf.search.push_back(std::move(domain));
      }
    }
  }
  return conf;
}

const ResolvConf& Upstreams::Current(TimePoint now) {
  if (now < look_at_) return conf_;
  look_at_ = now + kLookAgain;
  const std::optional<FileStamp> stamp = StampOf(path_, std::chrono::system_clock::now());
  if (!stamp || (stamp_ && IsUnchanged(*stamp_, *stamp))) return conf_;
  std::ifstream file(path_, std::ios::binary);
  std::string text(kMostFileBytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || !file.is_open()) return conf_;
  text.resize(static_cast<std::size_t>(file.gcount()));
  conf_ = ParseResolvConf(text);
  stamp_ = stamp;
  return conf_;
}

}  // namespace aquifer::node::dns
