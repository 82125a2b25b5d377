#include "core/io/resolve.h"

#include <netdb.h>

#include <cstring>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "core/rt/event.h"

namespace aquifer::io {
namespace {

std::vector<Ip> AskTheSystem(const std::string& host) {
  std::vector<Ip> found;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &list) != 0) return found;
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
    sockaddr_storage storage{};
    std::memcpy(&storage, each->ai_addr, each->ai_addrlen);
    if (const std::optional<Address> address = Address::FromSockaddr(storage))
      found.push_back(address->ip);
  }
  ::freeaddrinfo(list);
  return found;
}

// Between the thread of a look-up and who waits for it. Whichever is the last takes it along.
struct Answer {
  explicit Answer(Loop& loop) : waiting(&loop) {}

  std::mutex mutex;
  Loop* waiting;  // guarded by mutex; null once nobody waits: the loop may be gone by then
  // The loop's:
  std::vector<Ip> found;
  Event there;
};

void Bring(std::vector<Ip> found, const std::shared_ptr<Answer>& answer) {
  const std::lock_guard lock(answer->mutex);
  if (answer->waiting == nullptr) return;
  answer->waiting->Post([answer, found = std::move(found)] {
    answer->found = found;
    answer->there.Set();
  });
}

// Nobody can interrupt getaddrinfo, and to join the thread would be to wait for it. It has nothing
// but its own and its part of `answer`.
Status StartThread(BlockingLookup lookup, std::string host, std::shared_ptr<Answer> answer) {
  try {
    std::thread([lookup = std::move(lookup), host = std::move(host), answer = std::move(answer)] {
      Bring(lookup(host), answer);
    }).detach();
  } catch (const std::system_error&) {
    return Error{Reason::kOverload};  // no thread could be had
  }
  return Status();
}

}  // namespace

Task<Result<std::vector<Ip>>> Resolve(std::string host, StopToken stop) {
  return ResolveBy(&AskTheSystem, std::move(host), stop);
}

Task<Result<std::vector<Ip>>> ResolveBy(BlockingLookup lookup, std::string host, StopToken stop) {
  if (const std::optional<Ip> ip = Ip::Parse(host)) co_return std::vector<Ip>{*ip};
  if (stop.requested()) co_return stop.error();
  const auto answer = std::make_shared<Answer>(Loop::Current());
  AQ_CO_TRY_STATUS(StartThread(std::move(lookup), std::move(host), answer));
  const Status waited = co_await answer->there.Wait(stop);
  {
    const std::lock_guard lock(answer->mutex);
    answer->waiting = nullptr;
  }
  if (!waited) co_return waited.error();
  if (answer->found.empty()) co_return Error{Reason::kNotFound};
  co_return std::move(answer->found);
}

}  // namespace aquifer::io
