#include "core/io/resolve.h"

#include <netdb.h>

#include <cstring>
#include <system_error>
#include <thread>

#include "core/rt/event.h"

namespace aquifer::io {
namespace {

std::vector<Ip> Lookup(const std::string& host) {
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

}  // namespace

Task<Result<std::vector<Ip>>> Resolve(std::string host, StopToken stop) {
  if (const std::optional<Ip> ip = Ip::Parse(host)) co_return std::vector<Ip>{*ip};
  Loop& loop = Loop::Current();
  Event done;
  std::vector<Ip> found;
  const auto work = [&host, &loop, &done, &found] {
    std::vector<Ip> addresses = Lookup(host);
    loop.Post([&found, &done, addresses = std::move(addresses)] {
      found = addresses;
      done.Set();
    });
  };
  std::thread lookup;
  try {
    lookup = std::thread(work);
  } catch (const std::system_error&) {
    co_return Error{Reason::kOverload};  // no thread could be had
  }
  const Status waited = co_await done.Wait(StopToken());
  lookup.join();
  AQ_CHECK(waited.ok());
  if (stop.requested()) co_return stop.error();
  if (found.empty()) co_return Error{Reason::kNotFound};
  co_return found;
}

}  // namespace aquifer::io
