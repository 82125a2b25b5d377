// A log that the test can read.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <vector>

#include "core/base/unique_fd.h"
#include "core/obs/log.h"
#include "tests/support/catch.h"

namespace aquifer::test {

class Lines {
 public:
  Lines() : fd_(::memfd_create("log", 0)), logger_(Options()) {}
  obs::Logger& logger() { return logger_; }
  // All lines so far that hold each of `words`.
  std::vector<std::string> With(const std::vector<std::string>& words) {
    CHECK(logger_.Flush(std::chrono::seconds(5)));
    std::string text(static_cast<std::size_t>(::lseek(fd_.get(), 0, SEEK_END)), '\0');
    CHECK(::pread(fd_.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    std::vector<std::string> found;
    for (std::size_t start = 0, end; (end = text.find('\n', start)) != std::string::npos;
         start = end + 1) {
      const std::string line = text.substr(start, end - start);
      bool all = true;
      for (const std::string& word : words) all = all && line.find(word) != std::string::npos;
      if (all) found.push_back(line);
    }
    return found;
  }

  // What the lines' time is, and how many of them there may be in it.
  obs::WallClock clock = &std::chrono::system_clock::now;

 private:
  obs::LoggerOptions Options() {
    obs::LoggerOptions options;
    options.clock = [this] { return clock(); };
    options.writer.fd = fd_.get();
    return options;
  }
  UniqueFd fd_;
  obs::Logger logger_;
};

}  // namespace aquifer::test
