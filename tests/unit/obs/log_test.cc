#include "core/obs/log.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>

#include "tests/support/catch.h"

namespace aquifer::obs {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::system_clock::time_point kTime{std::chrono::seconds(1'700'000'000)};

struct Pipe {
  Pipe() {
    std::array<int, 2> fds{};
    REQUIRE(::pipe2(fds.data(), O_CLOEXEC) == 0);
    reader.Reset(fds[0]);
    writer.Reset(fds[1]);
  }
  // Fills the pipe until it takes nothing more, and returns how much that was.
  size_t Fill() const {
    REQUIRE(::fcntl(writer.get(), F_SETFL, O_NONBLOCK) == 0);
    const std::string block(4096, '#');
    size_t filled = 0;
    for (ssize_t n = 0; (n = ::write(writer.get(), block.data(), block.size())) > 0;)
      filled += static_cast<size_t>(n);
    REQUIRE(::fcntl(writer.get(), F_SETFL, 0) == 0);
    return filled;
  }
  // Everything up to the end; nobody may have the writing side any more.
  std::string ReadAll() {
    writer.Reset();
    std::string all;
    std::array<char, 4096> buffer;
    for (ssize_t n = 0; (n = ::read(reader.get(), buffer.data(), buffer.size())) > 0;) {
      all.append(buffer.data(), static_cast<size_t>(n));
    }
    return all;
  }

  UniqueFd reader;
  UniqueFd writer;
};

LoggerOptions OptionsFor(const Pipe& pipe, std::string_view levels = "info") {
  auto filter = LevelFilter::Parse(levels);
  REQUIRE(filter.ok());
  LoggerOptions options;
  options.levels = *filter;
  options.clock = [] { return kTime; };
  options.writer.fd = pipe.writer.get();
  options.writer.flush_timeout = 60s;
  return options;
}

long LinesIn(std::string_view text) { return std::count(text.begin(), text.end(), '\n'); }

TEST_CASE("lines of one thread come out in their order, all of them before the logger is gone") {
  Pipe pipe;
  {
    Logger log(OptionsFor(pipe));
    log.Info("xds", "connected", {{"address", std::string("istiod:15012")}, {"attempt", 3}});
    log.Warn("xds", "slow");
    log.Error("xds", "gone");
  }
  CHECK(pipe.ReadAll() ==
        "2023-11-14T22:13:20.000000Z\tinfo\txds\tconnected\taddress=istiod:15012 attempt=3\n"
        "2023-11-14T22:13:20.000000Z\twarn\txds\tslow\n"
        "2023-11-14T22:13:20.000000Z\terror\txds\tgone\n");
}

TEST_CASE("only what the levels of its scope allow is written") {
  Pipe pipe;
  {
    Logger log(OptionsFor(pipe, "warn,xds=debug,access=off"));
    CHECK(log.enabled(Level::kDebug, "xds"));
    CHECK_FALSE(log.enabled(Level::kTrace, "xds"));
    CHECK_FALSE(log.enabled(Level::kInfo, "hbone"));
    CHECK_FALSE(log.enabled(Level::kError, "access"));
    log.Debug("xds", "yes");
    log.Info("hbone", "no");
    log.Error("access", "no");
  }
  CHECK(pipe.ReadAll() == "2023-11-14T22:13:20.000000Z\tdebug\txds\tyes\n");
}

TEST_CASE("levels change while the logger runs") {
  Pipe pipe;
  Logger log(OptionsFor(pipe));
  CHECK_FALSE(log.enabled(Level::kTrace, "hbone"));
  log.SetLevels(*LevelFilter::Parse("error,hbone=trace"));
  CHECK(log.enabled(Level::kTrace, "hbone"));
  CHECK_FALSE(log.enabled(Level::kWarn, "xds"));
  CHECK(log.levels().ToString() == "error,hbone=trace");
}

TEST_CASE("a flush returns when the lines before it are written") {
  Pipe pipe;
  Logger log(OptionsFor(pipe));
  log.Info("xds", "connected");
  REQUIRE(log.Flush(60s));
  pollfd readable{pipe.reader.get(), POLLIN, 0};
  CHECK(::poll(&readable, 1, 0) == 1);
}

TEST_CASE("a reader who stops reading costs lines, never time, and the loss is told") {
  constexpr int kLines = 100;
  Pipe pipe;
  const size_t filled = pipe.Fill();
  std::string text;
  std::uint64_t dropped = 0;
  {
    LoggerOptions options = OptionsFor(pipe);
    options.writer.max_lines = 3;
    Logger log(std::move(options));
    for (int i = 0; i < kLines; ++i) log.Info("xds", "line");
    dropped = log.dropped();
    // The writer may hold one batch of three besides the three that are queued.
    CHECK(dropped >= kLines - 6);
    std::string head(filled, ' ');
    for (size_t read = 0; read < filled;) {
      const ssize_t n = ::read(pipe.reader.get(), head.data(), filled - read);
      REQUIRE(n > 0);
      read += static_cast<size_t>(n);
    }
  }
  text = pipe.ReadAll();
  CHECK(text.find("log lines dropped\tcount=") != text.npos);
  long told = 0;
  for (size_t at = 0; (at = text.find("count=", at)) != text.npos; ++at)
    told += std::stol(text.substr(at + 6));
  CHECK(told == static_cast<long>(dropped));
  long lines = 0;
  for (size_t at = 0; (at = text.find("\tline\n", at)) != text.npos; ++at) ++lines;
  CHECK(lines + told == kLines);
}

TEST_CASE("a reader who stops reading does not hold up the end") {
  Pipe pipe;
  pipe.Fill();
  LoggerOptions options = OptionsFor(pipe);
  options.writer.flush_timeout = 1ms;
  Logger log(std::move(options));
  log.Info("xds", "never read");
}

TEST_CASE("a log whose reader is gone loses its lines and nothing else") {
  Pipe pipe;
  pipe.reader.Reset();
  Logger log(OptionsFor(pipe));
  log.Info("xds", "unread");
  CHECK(log.Flush(60s));
  CHECK(log.dropped() == 1);
}

TEST_CASE("a line longer than a pipe takes at once arrives whole") {
  Pipe pipe;
  const std::string value(kMaxLogTextBytes, 'x');
  {
    Logger log(OptionsFor(pipe));
    log.Info("xds", value, {{"a", value}, {"b", value}});
  }
  CHECK(pipe.ReadAll() ==
        "2023-11-14T22:13:20.000000Z\tinfo\txds\t" + value + "\ta=" + value + " b=" + value + "\n");
}

TEST_CASE("the queue is bounded in bytes as well") {
  Pipe pipe;
  pipe.Fill();
  LoggerOptions options = OptionsFor(pipe);
  options.writer.max_bytes = 100;
  options.writer.flush_timeout = 0ms;
  Logger log(std::move(options));
  log.Info("xds", std::string(200, 'x'));
  CHECK(log.dropped() == 1);
}

TEST_CASE("threads write whole lines") {
  constexpr int kThreads = 4;
  constexpr int kLines = 100;
  Pipe pipe;
  {
    Logger log(OptionsFor(pipe));
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&log, i] {
        for (int j = 0; j < kLines; ++j) {
          log.Info("xds", "line", {{"thread", i}, {"number", j}});
          if (j == kLines / 2) log.SetLevels(LevelFilter(Level::kDebug));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(log.dropped() == 0);
  }
  const std::string text = pipe.ReadAll();
  CHECK(LinesIn(text) == kThreads * kLines);
  for (int i = 0; i < kThreads; ++i) {
    CHECK(text.find("\tline\tthread=" + std::to_string(i) + " number=99\n") != text.npos);
  }
}

TEST_CASE("a logger without a descriptor writes nothing and enables nothing") {
  LoggerOptions options;
  options.writer.fd = -1;
  Logger log(std::move(options));
  CHECK_FALSE(log.enabled(Level::kError, "xds"));
  log.Error("xds", "unheard");
  CHECK(log.Flush(0ms));
  CHECK(log.dropped() == 0);
}

TEST_CASE("lines beyond the rate are left out, and the next one says how many") {
  Pipe pipe;
  std::atomic<int> second = 0;
  {
    LoggerOptions options = OptionsFor(pipe);
    options.clock = [&second] { return kTime + std::chrono::seconds(second); };
    Logger log(std::move(options));
    RateLimiter limiter(2);
    for (int i = 0; i < 5; ++i)
      log.Limited(limiter, Level::kWarn, "hbone", "refused", {{"peer", i}});
    second = 1;
    log.Limited(limiter, Level::kWarn, "hbone", "refused", {{"peer", 9}});
    log.Limited(limiter, Level::kWarn, "hbone", "refused");
    log.Limited(limiter, Level::kDebug, "hbone", "not enabled");
  }
  CHECK(pipe.ReadAll() ==
        "2023-11-14T22:13:20.000000Z\twarn\thbone\trefused\tpeer=0\n"
        "2023-11-14T22:13:20.000000Z\twarn\thbone\trefused\tpeer=1\n"
        "2023-11-14T22:13:21.000000Z\twarn\thbone\trefused\tpeer=9 left_out=3\n"
        "2023-11-14T22:13:21.000000Z\twarn\thbone\trefused\n");
}

TEST_CASE("a clock that is set back does not silence a rate limited line") {
  RateLimiter limiter(1);
  CHECK(limiter.Admit(kTime));
  CHECK_FALSE(limiter.Admit(kTime));
  CHECK(limiter.Admit(kTime - 1h) == 1);
}

}  // namespace
}  // namespace aquifer::obs
