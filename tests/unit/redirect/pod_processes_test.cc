#include "redirect/pod_processes.h"

#include "tests/support/catch.h"
#include "tests/unit/redirect/proc_folder.h"

namespace aquifer::redirect {
namespace {

const std::string kCart = "11111111-2222-3333-4444-555555555555";
const std::string kShop = "99999999-2222-3333-4444-555555555555";

std::string GroupOf(const std::string& uid) { return "0::/kubepods/pod" + uid + "/c\n"; }

}  // namespace

TEST_CASE("a pod's namespace is that of its processes") {
  const test::ProcFolder proc;
  proc.Start(100, GroupOf(kCart), "cart", 50);
  proc.Start(101, GroupOf(kShop), "shop", 51);
  proc.Start(102, "0::/system.slice/sshd.service\n", "other", 52);
  const auto found = proc.Processes().Find({kCart, kShop, "unknown"});
  REQUIRE(found.ok());
  REQUIRE(found->size() == 2);
  CHECK(found->at(kCart).pid == 100);
  CHECK(found->at(kCart).path == proc.path() + "/100/ns/net");
  CHECK(found->at(kCart).netns->id() == proc.IdOf("cart"));
  CHECK(found->at(kShop).netns->id() == proc.IdOf("shop"));
}

TEST_CASE("only pods that are asked for are found") {
  const test::ProcFolder proc;
  proc.Start(100, GroupOf(kCart), "cart", 50);
  const auto found = proc.Processes().Find({kShop});
  REQUIRE(found.ok());
  CHECK(found->empty());
}

TEST_CASE("the oldest process of a pod decides, not what its children made") {
  const test::ProcFolder proc;
  for (int pid = 90; pid < 110; ++pid) proc.Start(pid, GroupOf(kCart), "child", 1000 + pid);
  proc.Start(32000, GroupOf(kCart), "cart", 60);
  const auto found = proc.Processes().Find({kCart});
  REQUIRE(found.ok());
  CHECK(found->at(kCart).pid == 32000);
  CHECK(found->at(kCart).netns->id() == proc.IdOf("cart"));
}

TEST_CASE("a process that has no namespace any more makes way for the next one") {
  const test::ProcFolder proc;
  proc.Start(100, GroupOf(kCart), "cart", 50);
  std::filesystem::remove(proc.path() + "/100/ns/net");
  proc.Start(101, GroupOf(kCart), "cart", 51);
  const auto found = proc.Processes().Find({kCart});
  REQUIRE(found.ok());
  CHECK(found->at(kCart).pid == 101);
}

TEST_CASE("the host's namespace is never a pod's") {
  const test::ProcFolder proc;
  proc.Start(100, GroupOf(kCart), "host", 50);
  proc.Start(101, GroupOf(kCart), "cart", 51);
  const auto found = proc.Processes().Find({kCart});
  REQUIRE(found.ok());
  CHECK(found->empty());
}

TEST_CASE("while the host's namespace is unknown nothing is found") {
  const test::ProcFolder proc;
  proc.Start(100, GroupOf(kCart), "cart", 50);
  proc.End(1);
  const auto found = proc.Processes().Find({kCart});
  REQUIRE_FALSE(found.ok());
  CHECK(found.error().field == proc.path() + "/1/ns/net");
}

TEST_CASE("a number that has become another pod's process is not the pod's") {
  const test::ProcFolder proc;
  proc.Start(100, GroupOf(kCart), "cart", 50);
  const PodProcesses processes = proc.Processes();
  CHECK(processes.IsOf(kCart, 100));
  proc.Start(100, GroupOf(kShop), "shop", 60);
  CHECK_FALSE(processes.IsOf(kCart, 100));
  proc.End(100);
  CHECK_FALSE(processes.IsOf(kCart, 100));
}

TEST_CASE("a group's text that is longer than any good one names nobody") {
  const test::ProcFolder proc;
  proc.Start(100, GroupOf(kCart) + std::string(20'000, '\n'), "cart", 50);
  CHECK_FALSE(proc.Processes().IsOf(kCart, 100));
}

}  // namespace aquifer::redirect
