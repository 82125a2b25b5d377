// The two ends of a measured path, run by run.py inside pods: a server of tiny answers, and clients
// of it. Plain epoll and none of our own code, so that the ends are the same whatever is measured.
//   load serve PORT
//   load requests HOST PORT CONNECTIONS SECONDS    kept alive; each asks again once it is answered
//   load connect HOST PORT CONCURRENT SECONDS      a new connection for each request
//   load hold HOST PORT CONNECTIONS                one request on each, then idle until ended
// One thread. Clients print one line of JSON and end with status 1 and a sentence when an answer is
// not what it should be.
#include <unistd.h>

#include <string>

#include "bench/poll.h"

namespace {

using namespace bench;

constexpr int kBacklog = 4096;
constexpr int kPatienceMs = 20'000;

void SendRequest(int fd) {
  if (::send(fd, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(kRequest.size()))
    Die("a request was not taken whole");
}

// An answer is one small segment: one that came in two would be an error and not a wrong number.
void TakeAnswer(int fd) {
  std::array<char, 4096> buffer;
  const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), 0);
  if (size < 0 || std::string_view(buffer.data(), static_cast<std::size_t>(size)) != kAnswer)
    Die("an answer is not whole");
}

// A blocking connection that has carried one request.
int Opened(const sockaddr_in& target) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{.tv_sec = kPatienceMs / 1000, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&target), sizeof target) != 0) Die("connect");
  NoDelay(fd);
  SendRequest(fd);
  TakeAnswer(fd);
  return fd;
}

void Print(Latencies& latencies, Clock::duration over) {
  if (latencies.count() == 0) Die("no answer at all");
  std::printf("{\"per_second\": %.1f, \"count\": %zu, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
              static_cast<double>(latencies.count()) / std::chrono::duration<double>(over).count(),
              latencies.count(), latencies.At(0.5), latencies.At(0.99));
}

std::size_t CountEnds(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = text.find("\r\n\r\n"); at != std::string_view::npos;
       at = text.find("\r\n\r\n", at + 4))
    ++count;
  return count;
}

void AcceptAll(int listener, Poll& poll) {
  while (true) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    NoDelay(fd);
    poll.Add(fd, EPOLLIN);
  }
}

[[noreturn]] void Serve(const char* port) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = Target("0.0.0.0", port);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, kBacklog) != 0)
    Die("listen");
  Poll poll;
  poll.Add(listener, EPOLLIN);
  std::puts("serving");
  std::fflush(stdout);
  while (true) {
    int count = 0;
    const epoll_event* const ready = poll.Wait(-1, count);
    for (int i = 0; i < count; ++i) {
      const int fd = ready[i].data.fd;
      if (fd == listener) {
        AcceptAll(listener, poll);
        continue;
      }
      std::array<char, 4096> buffer;
      const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (size <= 0) {
        ::close(fd);
        continue;
      }
      std::string answers;
      for (std::size_t left = CountEnds({buffer.data(), static_cast<std::size_t>(size)}); left > 0;
           --left)
        answers += kAnswer;
      static_cast<void>(::send(fd, answers.data(), answers.size(), MSG_NOSIGNAL));
    }
  }
}

void Requests(const sockaddr_in& target, int connections, Clock::duration length) {
  Poll poll;
  std::vector<int> fds;
  for (int i = 0; i < connections; ++i) fds.push_back(Opened(target));
  std::vector<Clock::time_point> sent(
      static_cast<std::size_t>(*std::max_element(fds.begin(), fds.end()) + 1));
  Latencies latencies;
  const Clock::time_point start = Clock::now();
  for (const int fd : fds) {
    poll.Add(fd, EPOLLIN);
    sent[static_cast<std::size_t>(fd)] = Clock::now();
    SendRequest(fd);
  }
  Clock::time_point now = start;
  while (now - start < length) {
    int count = 0;
    const epoll_event* const ready = poll.Wait(kPatienceMs, count);
    if (count <= 0) Die("nothing for 20 s");
    for (int i = 0; i < count; ++i) {
      const int fd = ready[i].data.fd;
      TakeAnswer(fd);
      now = Clock::now();
      latencies.Add(sent[static_cast<std::size_t>(fd)], now);
      sent[static_cast<std::size_t>(fd)] = now;
      SendRequest(fd);
    }
  }
  Print(latencies, now - start);
}

// Connections that are opened, asked once and closed.
class Opener {
 public:
  explicit Opener(const sockaddr_in& target) : target_(target) {}

  void Begin() {
    const int fd = BeginConnect(target_);
    if (fd < 0) Die("connect");
    if (began_.size() <= static_cast<std::size_t>(fd))
      began_.resize(static_cast<std::size_t>(fd) + 1);
    began_[static_cast<std::size_t>(fd)] = Clock::now();
    poll_.Add(fd, EPOLLOUT);
  }

  void Run(Clock::duration length) {
    const Clock::time_point start = Clock::now();
    Clock::time_point now = start;
    while (now - start < length) {
      int count = 0;
      const epoll_event* const ready = poll_.Wait(kPatienceMs, count);
      if (count <= 0) Die("nothing for 20 s");
      for (int i = 0; i < count; ++i) {
        const int fd = ready[i].data.fd;
        if ((ready[i].events & EPOLLOUT) != 0) {
          SendRequest(fd);
          poll_.Change(fd, EPOLLIN);
          continue;
        }
        TakeAnswer(fd);
        ::close(fd);
        now = Clock::now();
        latencies_.Add(began_[static_cast<std::size_t>(fd)], now);
        Begin();
      }
    }
    Print(latencies_, now - start);
  }

 private:
  const sockaddr_in target_;
  Poll poll_;
  std::vector<Clock::time_point> began_;  // by descriptor
  Latencies latencies_;
};

[[noreturn]] void Hold(const sockaddr_in& target, int connections) {
  Poll poll;
  for (int i = 0; i < connections; ++i) poll.Add(Opened(target), EPOLLIN);
  std::printf("{\"held\": %d}\n", connections);
  std::fflush(stdout);
  int count = 0;
  poll.Wait(-1, count);
  Die("an idle connection was closed");
}

}  // namespace

int main(int argc, char** argv) {
  RaiseDescriptorLimit();
  const std::string_view verb = argc > 1 ? argv[1] : "";
  if (verb == "serve" && argc == 3) Serve(argv[2]);
  if (argc < 5) {
    std::fputs(
        "usage: load serve PORT | requests|connect HOST PORT COUNT SECONDS | hold HOST PORT "
        "COUNT\n",
        stderr);
    return 2;
  }
  const sockaddr_in target = Target(argv[2], argv[3]);
  const int count = std::atoi(argv[4]);
  if (verb == "hold") Hold(target, count);
  if (argc < 6) return 2;
  const auto length = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(std::atof(argv[5])));
  if (verb == "requests") Requests(target, count, length);
  if (verb == "connect") {
    Opener opener(target);
    for (int i = 0; i < count; ++i) opener.Begin();
    opener.Run(length);
  }
  return 0;
}
