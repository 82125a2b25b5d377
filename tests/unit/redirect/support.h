// What the tests of redirect share: namespaces that differ, without needing root to make them.
#pragma once

#include <sys/mman.h>

#include <string>

#include "redirect/pod.h"
#include "tests/support/catch.h"

namespace aquifer::redirect::test {

// A descriptor of its own identity. No network namespace, but nothing under test enters it.
inline UniqueFd AnyFd() {
  UniqueFd fd(::memfd_create("namespace", MFD_CLOEXEC));
  REQUIRE(fd.valid());
  return fd;
}

inline NetnsRef AnyNetns() {
  Result<NetnsRef> netns = Netns::FromFd(AnyFd());
  REQUIRE(netns.ok());
  return *std::move(netns);
}

inline PodInfo InfoOf(const std::string& name) {
  return {.name = name, .ns = "shop", .service_account = "sa-" + name};
}

inline Pod MakePod(const std::string& uid, NetnsRef netns) {
  return {.uid = uid, .info = InfoOf(uid), .netns = std::move(netns)};
}

inline Pod MakePod(const std::string& uid) { return MakePod(uid, AnyNetns()); }

}  // namespace aquifer::redirect::test
