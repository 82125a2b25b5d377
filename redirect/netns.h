// Netns: a network namespace held by a descriptor, and running code inside one. A namespace lives
// as long as anybody holds it, also after its pod has gone. Immutable, so it is shared between
// workers; entering one affects the calling thread alone (setns(2)) and ends before the call
// returns.
#pragma once

#include <sys/types.h>

#include <compare>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "core/base/result.h"
#include "core/base/unique_fd.h"

namespace aquifer::redirect {

// Two descriptors mean the same namespace if these are equal, whatever paths they came from.
struct NetnsId {
  dev_t device = 0;
  ino_t inode = 0;

  friend auto operator<=>(const NetnsId&, const NetnsId&) = default;
};

class Netns;
using NetnsRef = std::shared_ptr<const Netns>;

// Brings the thread home when it goes out of scope. Not to get there is a CHECK: everything the
// thread did afterwards would happen in a foreign network.
class NetnsReturn {
 public:
  explicit NetnsReturn(const Netns& home) : home_(home) {}
  NetnsReturn(const NetnsReturn&) = delete;
  NetnsReturn& operator=(const NetnsReturn&) = delete;
  ~NetnsReturn();

 private:
  const Netns& home_;
};

class Netns {
 public:
  // Any descriptor is taken; CheckKind tells whether it is a network namespace.
  static Result<NetnsRef> FromFd(UniqueFd fd);
  // A name, as of ip-netns(8) ("pod1" is /run/netns/pod1), or an absolute path.
  static Result<NetnsRef> Open(std::string_view name_or_path);
  static Result<NetnsRef> OfProcess(pid_t pid);
  // The calling thread's.
  static Result<NetnsRef> Current();

  Netns(UniqueFd fd, NetnsId id) : fd_(std::move(fd)), id_(id) {}

  int fd() const { return fd_.get(); }
  const NetnsId& id() const { return id_; }
  // kUnsupported unless the descriptor is one of a network namespace.
  Status CheckKind() const;

  // Runs `inside` in this namespace and returns its Result, or why the namespace could not be
  // entered. `home` is where the thread is and will be again. `inside` must not suspend.
  template <class Inside>
  auto Run(const Netns& home, Inside&& inside) const -> std::invoke_result_t<Inside> {
    AQ_TRY_STATUS(Enter());
    const NetnsReturn back(home);
    return std::forward<Inside>(inside)();
  }
  template <class Inside>
  auto Run(Inside&& inside) const -> std::invoke_result_t<Inside> {
    AQ_TRY(const NetnsRef home, Current());
    return Run(*home, std::forward<Inside>(inside));
  }

 private:
  Status Enter() const;

  UniqueFd fd_;
  NetnsId id_;
};

// What a namespace has of IPv6. Ask inside it.
bool Ipv6Enabled();

}  // namespace aquifer::redirect
