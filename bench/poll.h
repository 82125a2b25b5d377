// What the two ends of a measured path are made of: epoll, sockets, sorted latencies. Plain and
// none of our own code, so that the ends are the same whatever is measured. One thread each.
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace bench {

using Clock = std::chrono::steady_clock;

inline constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";
inline constexpr std::string_view kAnswer =
    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nok\n";

[[noreturn]] inline void Die(const char* what) {
  std::printf("%s (%s)\n", what, std::strerror(errno));
  std::exit(1);
}

inline void NoDelay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

inline void RaiseDescriptorLimit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

class Poll {
 public:
  void Add(int fd, std::uint32_t events) { Control(EPOLL_CTL_ADD, fd, events); }
  void Change(int fd, std::uint32_t events) { Control(EPOLL_CTL_MOD, fd, events); }
  // What is ready; `timeout_ms` -1 waits for ever. Empty when the time is over.
  const epoll_event* Wait(int timeout_ms, int& count) {
    do {
      count = ::epoll_wait(fd_, ready_.data(), kBatch, timeout_ms);
    } while (count < 0 && errno == EINTR);
    return ready_.data();
  }

 private:
  static constexpr int kBatch = 256;

  void Control(int operation, int fd, std::uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (::epoll_ctl(fd_, operation, fd, &event) != 0) Die("epoll_ctl");
  }

  int fd_ = ::epoll_create1(0);
  std::array<epoll_event, kBatch> ready_{};
};

inline sockaddr_in Target(const char* host, const char* port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
  if (::inet_pton(AF_INET, host, &address.sin_addr) != 1) Die("no IPv4 address");
  return address;
}

// A connection that is being opened, or -1.
inline int BeginConnect(const sockaddr_in& target) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) Die("socket");
  NoDelay(fd);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&target), sizeof target) != 0 &&
      errno != EINPROGRESS) {
    ::close(fd);
    return -1;
  }
  return fd;
}

class Latencies {
 public:
  void Add(Clock::time_point from, Clock::time_point to) {
    microseconds_.push_back(std::chrono::duration<double, std::micro>(to - from).count());
  }
  std::size_t count() const { return microseconds_.size(); }
  // The value below which `part` of them are; 0 when there are none.
  double At(double part) {
    if (microseconds_.empty()) return 0;
    std::sort(microseconds_.begin(), microseconds_.end());
    const auto index = static_cast<std::size_t>(static_cast<double>(count()) * part);
    return microseconds_[std::min(count() - 1, index)];
  }

 private:
  std::vector<double> microseconds_;
};

}  // namespace bench
