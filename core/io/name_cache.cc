#include "core/io/name_cache.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "core/io/resolve.h"

namespace aquifer::io {
namespace {

constexpr std::size_t kMaxHostBytes = 253;  // RFC 1035 section 2.3.4, without the final dot

std::string Normal(std::string host) {
  absl::AsciiStrToLower(&host);
  if (host.ends_with('.')) host.pop_back();
  return host;
}

}  // namespace

NameCache::NameCache(const NameCacheOptions& options) : NameCache(options, &Resolve) {}

NameCache::NameCache(const NameCacheOptions& options, Lookup lookup)
    : options_(options),
      lookup_(std::move(lookup)),
      lookups_(options.max_lookups),
      waiting_(options.max_waiting) {}

Task<Result<NameCache::Addresses>> NameCache::Find(std::string host, std::string asker,
                                                   StopToken stop) {
  if (const std::optional<Ip> ip = Ip::Parse(host)) co_return Addresses{*ip};
  host = Normal(std::move(host));
  // A zero byte would end the name for the resolver and not for us.
  if (host.empty() || host.size() > kMaxHostBytes || host.find('\0') != std::string::npos)
    co_return Error{Reason::kNotFound};
  while (true) {
    const auto found = names_.find(host);
    if (found != names_.end()) {
      const std::shared_ptr<Name> name = found->second;
      if (name->answered.is_set() && Loop::Current().now() < name->until) co_return name->answer;
      if (!name->answered.is_set()) {
        const Status waited = co_await name->answered.Wait(stop);
        if (!waited) co_return waited.error();
        co_return name->answer;
      }
      names_.erase(found);
    }
    if (stop_.requested()) co_return stop_.token().error();
    if (lookups_.TryTake(asker)) break;
    if (!waiting_.TryTake(asker)) co_return Error{Reason::kOverload};
    const Status waited = co_await room_.Wait(stop);
    waiting_.Give(asker);
    if (!waited) co_return waited.error();
  }
  MakeRoom();
  const auto name = std::make_shared<Name>();
  names_[host] = name;
  tasks_.Spawn(Look(host, asker, name));
  const Status waited = co_await name->answered.Wait(stop);
  if (!waited) co_return waited.error();
  co_return name->answer;
}

Task<void> NameCache::Look(std::string host, std::string asker, std::shared_ptr<Name> name) {
  name->answer = co_await lookup_(std::move(host), stop_.token());
  name->until = Loop::Current().now() + (name->answer.ok() ? options_.keep : options_.keep_failure);
  lookups_.Give(asker);
  name->answered.Set();
  room_.Wake();
}

// Names that nobody could use any more go first, then those that would be the next to expire. What
// is being looked up stays: there are few of them.
void NameCache::MakeRoom() {
  if (names_.size() < options_.max_names) return;
  const TimePoint now = Loop::Current().now();
  absl::erase_if(names_, [now](const auto& each) {
    return each.second->answered.is_set() && each.second->until <= now;
  });
  if (names_.size() < options_.max_names) return;
  auto next = names_.end();
  for (auto each = names_.begin(); each != names_.end(); ++each) {
    if (!each->second->answered.is_set()) continue;
    if (next == names_.end() || each->second->until < next->second->until) next = each;
  }
  if (next != names_.end()) names_.erase(next);
}

Task<void> NameCache::End() {
  stop_.RequestStop();
  co_await tasks_.Join();
}

}  // namespace aquifer::io
