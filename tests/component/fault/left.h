// What a drawn case must leave as it found it, and how complaints about it are told.
#pragma once

#include <dirent.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/rt/loop.h"
#include "tests/support/catch.h"

namespace aquifer::test {

inline int OpenDescriptors() {
  DIR* const folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return -1;
  int count = 0;
  while (::readdir(folder) != nullptr) ++count;
  ::closedir(folder);
  return count;
}

struct Left {
  std::size_t operations = Loop::Current().in_flight();
  int descriptors = OpenDescriptors();

  void Compare(std::vector<std::string>& complaints) const {
    const Left now;
    if (now.operations != operations) complaints.push_back("operations are left in flight");
    if (now.descriptors != descriptors)
      complaints.push_back(std::to_string(now.descriptors - descriptors) + " descriptors are left");
    if (!Loop::Current().timers().empty()) complaints.push_back("timers are left");
  }
};

inline void Report(std::uint64_t seed, const std::vector<std::string>& complaints) {
  for (const std::string& complaint : complaints)
    FAIL_CHECK("AQUIFER_SEED=" << seed << ": " << complaint);
}

}  // namespace aquifer::test
