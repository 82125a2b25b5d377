#include "redirect/process_text.h"

#include <string>
#include <vector>

#include "tests/support/catch.h"

namespace aquifer::redirect {
namespace {

const std::string kUid = "9f5d2c1e-7b3a-4c8d-a1e0-6f2b90c4d711";
const std::string kOther = "11111111-2222-3333-4444-555555555555";
const std::string kSlice = "9f5d2c1e_7b3a_4c8d_a1e0_6f2b90c4d711";
const std::string kContainer = "c7d3e6f1a2b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e";

std::optional<std::string> InPath(const std::string& path) { return PodUidOf("0::" + path + "\n"); }

}  // namespace

TEST_CASE("the groups of both drivers of a kubelet name the pod") {
  CHECK(InPath("/kubepods/besteffort/pod" + kUid + "/" + kContainer) == kUid);
  CHECK(InPath("/kubepods/pod" + kUid + "/" + kContainer) == kUid);
  CHECK(InPath("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + kSlice +
               ".slice/cri-containerd-" + kContainer + ".scope") == kUid);
  CHECK(InPath("/kubepods.slice/kubepods-pod" + kSlice + ".slice/crio-" + kContainer +
               ".scope/container") == kUid);
  CHECK(InPath("/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
               "kubelet-kubepods-besteffort-pod" +
               kSlice + ".slice/cri-containerd-" + kContainer + ".scope") == kUid);
  CHECK(InPath("/system.slice/containerd.service/kubepods-burstable-pod" + kSlice +
               ".slice:cri-containerd:" + kContainer) == kUid);
}

TEST_CASE("a path that starts at the reader's own group names the pod") {
  CHECK(InPath("/../../kubepods-besteffort-pod" + kSlice + ".slice/cri-containerd-1.scope") ==
        kUid);
  CHECK(InPath("/../../../burstable/pod" + kUid + "/" + kContainer) == kUid);
}

TEST_CASE("all hierarchies of version 1 that name a pod name the same one") {
  const std::string of_pod = "/kubepods/burstable/pod" + kUid + "/" + kContainer + "\n";
  const std::string both = "12:freezer:" + of_pod + "11:cpu,cpuacct:" + of_pod +
                           "3:misc:/\n1:name=systemd:" + of_pod + "0::/system.slice/containerd\n";
  CHECK(PodUidOf(both) == kUid);
  CHECK_FALSE(PodUidOf(both + "2:pids:/kubepods/pod" + kOther + "/c\n").has_value());
}

TEST_CASE("a container cannot pass for another pod by a group below its own") {
  CHECK(InPath("/kubepods/pod" + kUid + "/" + kContainer + "/pod" + kOther) == kUid);
  CHECK(InPath("/kubepods.slice/kubepods-pod" + kSlice +
               ".slice/cri-containerd-1.scope/kubepods-pod"
               "11111111_2222_3333_4444_555555555555.slice") == kUid);
}

TEST_CASE("a user of the machine cannot pass for a pod") {
  CHECK_FALSE(
      InPath("/user.slice/user-1000.slice/user@1000.service/pod" + kUid + "/c").has_value());
  CHECK_FALSE(
      InPath("/../../user.slice/user-1000.slice/kubepods-pod" + kSlice + ".slice/c").has_value());
}

TEST_CASE("what is of no pod has no UID") {
  for (const std::string& path : std::vector<std::string>{
           std::string("/"), std::string("/init.scope"), std::string("/user.slice/user-0.slice"),
           "/kubepods/pod" + kUid.substr(1) + "/c", "/kubepods/pod" + kUid + "0/c",
           "/kubepods/pods" + kUid + "/c", "/kubepods/" + kUid + "/c",
           "/kubepods/pod9F5D2C1E-7B3A-4C8D-A1E0-6F2B90C4D711/c", "/kubepods/pod" + kSlice + "/c",
           "/my-pod" + kSlice + ".slice/c", "/kubepods-pod" + kUid + ".slice/c",
           "/kubepods-pod" + kSlice + ".slices/c", "/kubepods-pod" + kSlice + ".scope/c",
           std::string("/.slice"), "/" + kSlice + ".slice"}) {
    INFO(path);
    CHECK_FALSE(InPath(path).has_value());
  }
  CHECK_FALSE(PodUidOf("").has_value());
  CHECK_FALSE(PodUidOf("\n\n::\n:").has_value());
  CHECK_FALSE(PodUidOf("/kubepods/pod" + kUid + "/c").has_value());
}

TEST_CASE("a process says when it began, whatever its name") {
  const std::string fields = " S 1 2 3 0 -1 4194560 5 6 7 8 9 10 11 12 20 0 1 0 ";
  CHECK(StartTimeOf("42 (pause)" + fields + "123456 999 1\n") == 123456);
  CHECK(StartTimeOf("42 (a) S 1 (b)" + fields + "7 999\n") == 7);
  CHECK(StartTimeOf("42 ()" + fields + "18446744073709551615 1\n") == 18446744073709551615U);
  for (const std::string& bad :
       {std::string(), std::string("42"), std::string("42 (a)"), std::string("42 (a) "),
        "42 (a)" + fields, "42 (a)" + fields + "x 1", "42 (a)" + fields + "-1 1",
        "42 (a)" + fields + "18446744073709551616 1", std::string("42 (a) S 1 2 3")}) {
    INFO(bad);
    CHECK_FALSE(StartTimeOf(bad).has_value());
  }
}

}  // namespace aquifer::redirect
