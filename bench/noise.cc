// Noisy neighbours and the quiet one who has to live with them, run by noisy.py inside pods.
//   noise paced HOST PORT RATE SECONDS         so many requests a second whatever the answers do; a
//                                              tenth of them on connections of their own
//   noise flood HOST PORT COUNT SECONDS        so many connections, one request on each, then held
//   noise storm HOST PORT COUNT SECONDS HELLO  so many at once: a third send a ClientHello (the
//                                              file's) and go when it is answered, a third then say
//                                              nothing, a third never say anything; who goes or is
//                                              cut off comes again
//   noise dns HOST PORT COUNT SECONDS          so many sockets that ask for names without a pause
// One thread. Each prints one line of JSON.
#include <sys/timerfd.h>
#include <unistd.h>

#include <deque>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "bench/poll.h"

namespace {

using namespace bench;

constexpr auto kPatience = std::chrono::seconds(2);

Clock::duration Seconds(const char* text) {
  return std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(std::atof(text)));
}

// The quiet pod. A latency counts from when the request was due, not from when it could be sent.
class Paced {
 public:
  Paced(const sockaddr_in& target, int rate)
      : target_(target), rate_(rate), timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)) {
    poll_.Add(timer_, EPOLLIN);
    for (int& fd : kept_) fd = Begin(true);
  }

  void Run(Clock::duration length) {
    itimerspec every{};
    every.it_interval.tv_nsec = every.it_value.tv_nsec = 1'000'000'000L / rate_;
    start_ = Clock::now();
    ::timerfd_settime(timer_, 0, &every, nullptr);
    while (Clock::now() - start_ < length) Turn();
    asking_ = false;
    const Clock::time_point asked = Clock::now();
    while (waiting_ > 0 && Clock::now() - asked < kPatience) Turn();
    kept_errors_ += waiting_;
    std::printf(
        "{\"count\": %zu, \"errors\": %zu, \"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f, "
        "\"new_count\": %zu, \"new_p50_us\": %.1f, \"new_p99_us\": %.1f}\n",
        kept_latencies_.count() + new_latencies_.count(), kept_errors_, kept_latencies_.At(0.5),
        kept_latencies_.At(0.99), kept_latencies_.At(1), new_latencies_.count(),
        new_latencies_.At(0.5), new_latencies_.At(0.99));
  }

 private:
  static constexpr int kKept = 4;
  static constexpr int kEveryNew = 10;

  struct Connection {
    bool used = false;
    bool kept = false;
    bool open = false;
    std::size_t answered = 0;  // bytes of an answer that is not complete
    std::deque<Clock::time_point> due;
  };

  Connection& At(int fd) {
    if (connections_.size() <= static_cast<std::size_t>(fd))
      connections_.resize(static_cast<std::size_t>(fd) + 1);
    return connections_[static_cast<std::size_t>(fd)];
  }

  int Begin(bool kept) {
    const int fd = BeginConnect(target_);
    if (fd < 0) Die("connect");
    At(fd) = Connection{.used = true, .kept = kept, .open = false, .answered = 0, .due = {}};
    poll_.Add(fd, EPOLLOUT);
    return fd;
  }

  void Turn() {
    int count = 0;
    const epoll_event* const ready = poll_.Wait(100, count);
    for (int i = 0; i < count; ++i) {
      if (ready[i].data.fd == timer_) {
        Tick();
      } else if (At(ready[i].data.fd).used) {
        Move(ready[i].data.fd, ready[i].events);
      }
    }
  }

  void Tick() {
    std::uint64_t ticks = 0;
    if (::read(timer_, &ticks, sizeof ticks) != sizeof ticks || !asking_) return;
    for (; ticks > 0; --ticks) {
      const Clock::time_point due =
          start_ + std::chrono::nanoseconds(1'000'000'000L / rate_) * ++shots_;
      const bool fresh = shots_ % kEveryNew == 0;
      const int fd = fresh ? Begin(false) : kept_[static_cast<std::size_t>(shots_) % kept_.size()];
      At(fd).due.push_back(due);
      ++waiting_;
      if (At(fd).open) Ask(fd, 1);
    }
  }

  static void Ask(int fd, std::size_t times) {
    for (; times > 0; --times)
      static_cast<void>(::send(fd, kRequest.data(), kRequest.size(), MSG_NOSIGNAL));
  }

  void Move(int fd, std::uint32_t events) {
    Connection& connection = At(fd);
    if (!connection.open && (events & (EPOLLERR | EPOLLHUP)) == 0) {
      connection.open = true;
      poll_.Change(fd, EPOLLIN);
      return Ask(fd, connection.due.size());
    }
    std::array<char, 4096> buffer;
    const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) return Lose(fd);
    connection.answered += static_cast<std::size_t>(size);
    const Clock::time_point now = Clock::now();
    while (connection.answered >= kAnswer.size() && !connection.due.empty()) {
      connection.answered -= kAnswer.size();
      (connection.kept ? kept_latencies_ : new_latencies_).Add(connection.due.front(), now);
      connection.due.pop_front();
      --waiting_;
    }
    if (!connection.kept && connection.due.empty()) {
      connection.used = false;
      ::close(fd);
    }
  }

  // What was asked on it is lost; a kept one is opened again.
  void Lose(int fd) {
    const bool kept = At(fd).kept;
    kept_errors_ += At(fd).due.size();
    waiting_ -= At(fd).due.size();
    At(fd) = Connection{};
    ::close(fd);
    if (kept) *std::find(kept_.begin(), kept_.end(), fd) = Begin(true);
  }

  const sockaddr_in target_;
  const int rate_;
  const int timer_;
  Poll poll_;
  std::array<int, kKept> kept_{};
  std::vector<Connection> connections_;  // by descriptor
  Clock::time_point start_;
  std::int64_t shots_ = 0;
  bool asking_ = true;
  std::size_t waiting_ = 0;
  std::size_t kept_errors_ = 0;
  Latencies kept_latencies_;
  Latencies new_latencies_;
};

// Opens until `count` are held, a few at a time, and again what is refused.
class Flood {
 public:
  Flood(const sockaddr_in& target, std::size_t count) : target_(target), count_(count) {}

  void Run(Clock::duration length) {
    const Clock::time_point start = Clock::now();
    Clock::duration filled{};
    while (Clock::now() - start < length) {
      while (opening_.size() < kAtOnce && held_ + opening_.size() < count_) Begin();
      int count = 0;
      const epoll_event* const ready = poll_.Wait(100, count);
      for (int i = 0; i < count; ++i) Move(ready[i].data.fd, ready[i].events);
      if (held_ == count_ && filled == Clock::duration{}) filled = Clock::now() - start;
    }
    std::printf("{\"held\": %zu, \"refused\": %zu, \"filled_s\": %.2f}\n", held_, refused_,
                std::chrono::duration<double>(filled).count());
  }

 private:
  static constexpr std::size_t kAtOnce = 64;

  void Begin() {
    const int fd = BeginConnect(target_);
    if (fd < 0) Die("connect");
    opening_.insert(fd);
    poll_.Add(fd, EPOLLOUT);
  }

  void Move(int fd, std::uint32_t events) {
    if ((events & EPOLLOUT) != 0 && (events & (EPOLLERR | EPOLLHUP)) == 0) {
      static_cast<void>(::send(fd, kRequest.data(), kRequest.size(), MSG_NOSIGNAL));
      return poll_.Change(fd, EPOLLIN);
    }
    std::array<char, 4096> buffer;
    const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), 0);
    const bool opening = opening_.erase(fd) != 0;
    if (size > 0) {
      if (opening) ++held_;
      return;
    }
    if (!opening) --held_;
    ++refused_;
    ::close(fd);
  }

  const sockaddr_in target_;
  const std::size_t count_;
  Poll poll_;
  std::set<int> opening_;
  std::size_t held_ = 0;
  std::size_t refused_ = 0;
};

// Whoever is at the other end does a key exchange and signs for each ClientHello.
class Storm {
 public:
  Storm(const sockaddr_in& target, const char* hello_file) : target_(target) {
    std::ifstream file(hello_file, std::ios::binary);
    hello_.assign(std::istreambuf_iterator<char>(file), {});
    if (hello_.empty()) Die("no ClientHello");
  }

  void Run(int count, Clock::duration length) {
    for (int i = 0; i < count; ++i) Begin(static_cast<Kind>(i % 3));
    const Clock::time_point start = Clock::now();
    while (Clock::now() - start < length) {
      int ready_count = 0;
      const epoll_event* const ready = poll_.Wait(100, ready_count);
      for (int i = 0; i < ready_count; ++i) Move(ready[i].data.fd, ready[i].events);
    }
    std::printf("{\"opened\": %zu, \"hellos\": %zu, \"answered\": %zu, \"cut\": %zu}\n", begun_,
                hellos_, answered_, cut_);
  }

 private:
  enum class Kind : std::uint8_t { kAway, kHalf, kSilent };

  void Begin(Kind kind) {
    const int fd = BeginConnect(target_);
    if (fd < 0) Die("connect");
    ++begun_;
    if (kinds_.size() <= static_cast<std::size_t>(fd))
      kinds_.resize(static_cast<std::size_t>(fd) + 1);
    kinds_[static_cast<std::size_t>(fd)] = kind;
    poll_.Add(fd, EPOLLOUT);
  }

  void Move(int fd, std::uint32_t events) {
    const Kind kind = kinds_[static_cast<std::size_t>(fd)];
    if ((events & EPOLLOUT) != 0 && (events & (EPOLLERR | EPOLLHUP)) == 0) {
      if (kind != Kind::kSilent) {
        static_cast<void>(::send(fd, hello_.data(), hello_.size(), MSG_NOSIGNAL));
        ++hellos_;
      }
      return poll_.Change(fd, EPOLLIN);
    }
    std::array<char, 4096> buffer;
    const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (size > 0) ++answered_;
    if (size > 0 && kind == Kind::kHalf) return;
    if (size <= 0) ++cut_;
    ::close(fd);
    Begin(kind);
  }

  const sockaddr_in target_;
  std::string hello_;
  Poll poll_;
  std::vector<Kind> kinds_;  // by descriptor
  std::size_t begun_ = 0;
  std::size_t hellos_ = 0;
  std::size_t answered_ = 0;
  std::size_t cut_ = 0;
};

// Each socket asks again once it is answered, and after a while without an answer.
void Dns(const sockaddr_in& target, int count, Clock::duration length) {
  static constexpr char kQuery[] =
      "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05"
      "noise\x07"
      "default\x03svc\x07"
      "cluster\x05local\x00\x00\x01\x00\x01";
  constexpr std::size_t kSize = sizeof kQuery - 1;
  Poll poll;
  std::vector<int> fds;
  for (int i = 0; i < count; ++i) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&target), sizeof target) != 0)
      Die("socket");
    fds.push_back(fd);
    poll.Add(fd, EPOLLIN);
    static_cast<void>(::send(fd, kQuery, kSize, MSG_NOSIGNAL));
  }
  std::size_t answers = 0;
  const Clock::time_point start = Clock::now();
  while (Clock::now() - start < length) {
    int ready_count = 0;
    const epoll_event* const ready = poll.Wait(100, ready_count);
    for (int i = 0; i < ready_count; ++i) {
      std::array<char, 4096> buffer;
      if (::recv(ready[i].data.fd, buffer.data(), buffer.size(), 0) > 0) ++answers;
      static_cast<void>(::send(ready[i].data.fd, kQuery, kSize, MSG_NOSIGNAL));
    }
    if (ready_count > 0) continue;
    for (const int fd : fds) static_cast<void>(::send(fd, kQuery, kSize, MSG_NOSIGNAL));
  }
  std::printf("{\"answers\": %zu}\n", answers);
}

}  // namespace

int main(int argc, char** argv) {
  RaiseDescriptorLimit();
  const std::string_view verb = argc > 1 ? argv[1] : "";
  if (argc < 6 || (verb == "storm") != (argc == 7)) {
    std::fputs(
        "usage: noise paced|flood|dns HOST PORT N SECONDS | storm HOST PORT N SECONDS HELLO\n",
        stderr);
    return 2;
  }
  const sockaddr_in target = Target(argv[2], argv[3]);
  const int number = std::atoi(argv[4]);
  const Clock::duration length = Seconds(argv[5]);
  if (number < 1) return 2;
  if (verb == "paced") Paced(target, number).Run(length);
  if (verb == "flood") Flood(target, static_cast<std::size_t>(number)).Run(length);
  if (verb == "storm") Storm(target, argv[6]).Run(number, length);
  if (verb == "dns") Dns(target, number, length);
  return 0;
}
