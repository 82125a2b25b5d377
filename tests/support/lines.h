// A log that the test can read.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "core/base/unique_fd.h"
#include "core/obs/log.h"
#include "tests/support/catch.h"

namespace aquifer::test {

class Lines {
 public:
  Lines() : fd_(::memfd_create("log", 0)), logger_(Options(fd_.get())) {}
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

 private:
  static obs::LoggerOptions Options(int fd) {
    obs::LoggerOptions options;
    options.writer.fd = fd;
    return options;
  }
  UniqueFd fd_;
  obs::Logger logger_;
};

}  // namespace aquifer::test
