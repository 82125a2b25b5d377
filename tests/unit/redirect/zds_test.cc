#include "redirect/zds.h"

#include <fcntl.h>

#include "tests/unit/redirect/support.h"

namespace aquifer::redirect {
namespace {

using test::AnyFd;
using test::InfoOf;

std::vector<UniqueFd> Descriptors(int count) {
  std::vector<UniqueFd> descriptors;
  for (int i = 0; i < count; ++i) descriptors.push_back(AnyFd());
  return descriptors;
}

std::string Encoded(const ZdsRequest& request) {
  const Decoded<std::string> packet = EncodeRequest(request);
  REQUIRE(packet.ok());
  return *packet;
}

std::string AddPacket() {
  return Encoded(AddPod{.uid = "uid-1", .info = InfoOf("cart"), .netns = UniqueFd()});
}

std::string RefusedField(std::string_view packet, int descriptors) {
  const auto request = DecodeRequest(AsBytes(packet), Descriptors(descriptors));
  REQUIRE_FALSE(request.ok());
  return request.error().field;
}

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

}  // namespace

TEST_CASE("an Add is the bytes that Istio's agent sends") {
  CHECK(AddPacket() == std::string("\x0a\x1e\x0a\x05uid-1\x12\x15\x0a\x04"
                                   "cart\x12\x04shop\x1a\x07sa-cart"));
}

TEST_CASE("Keep, Del and SnapshotSent are the bytes that Istio's agent sends") {
  CHECK(Encoded(KeepPod{"u"}) == std::string("\x2a\x03\x0a\x01u"));
  CHECK(Encoded(DelPod{"u"}) == std::string("\x12\x03\x12\x01u"));
  CHECK(Encoded(SnapshotSent{}) == std::string("\x1a\x00", 2));
}

TEST_CASE("hello and acknowledgement are the bytes that Istio's proxy sends") {
  CHECK(EncodeHello() == "\x08\x01");
  CHECK(EncodeAck("") == std::string("\x0a\x00", 2));
  CHECK(EncodeAck("no") == "\x0a\x04\x0a\x02no");
}

TEST_CASE("an Add with one descriptor is taken with it") {
  std::vector<UniqueFd> descriptors = Descriptors(1);
  const int fd = descriptors[0].get();
  const auto request = DecodeRequest(AsBytes(AddPacket()), std::move(descriptors));
  REQUIRE(request.ok());
  const AddPod& add = std::get<AddPod>(*request);
  CHECK(add.uid == "uid-1");
  CHECK(add.info == InfoOf("cart"));
  CHECK(add.netns.get() == fd);
}

TEST_CASE("an Add without a descriptor, or with two, is refused and they are closed") {
  CHECK(RefusedField(AddPacket(), 0) == "add");
  std::vector<UniqueFd> two = Descriptors(2);
  const int first = two[0].get();
  const int second = two[1].get();
  CHECK_FALSE(DecodeRequest(AsBytes(AddPacket()), std::move(two)).ok());
  CHECK_FALSE(IsOpen(first));
  CHECK_FALSE(IsOpen(second));
}

TEST_CASE("an Add without workload_info is refused") {
  CHECK(RefusedField(std::string_view("\x0a\x03\x0a\x01u", 5), 1) == "add.workload_info");
}

TEST_CASE("an old Add with the reserved trust domain is taken") {
  const std::string_view packet =
      "\x0a\x11\x0a\x01u\x12\x0c\x0a\x01n\x12\x01s\x1a\x01"
      "a\x22\x01t";
  const auto request = DecodeRequest(AsBytes(packet), Descriptors(1));
  REQUIRE(request.ok());
  CHECK(std::get<AddPod>(*request).info == PodInfo{"n", "s", "a"});
}

TEST_CASE("a Keep, Del or SnapshotSent with a descriptor is refused") {
  CHECK(RefusedField(Encoded(KeepPod{"u"}), 1) == "WorkloadRequest");
  CHECK(RefusedField(Encoded(DelPod{"u"}), 1) == "WorkloadRequest");
  CHECK(RefusedField(Encoded(SnapshotSent{}), 1) == "WorkloadRequest");
}

TEST_CASE("an empty or unprintable uid is refused") {
  CHECK(RefusedField(std::string_view("\x12\x00", 2), 0) == "del.uid");
  CHECK(RefusedField(std::string_view("\x2a\x00", 2), 0) == "keep.uid");
  CHECK(RefusedField("\x12\x03\x12\x01\n", 0) == "del.uid");
  CHECK(RefusedField("\x2a\x03\x0a\x01 ", 0) == "keep.uid");
}

TEST_CASE("a request without a known payload is refused") {
  CHECK(RefusedField("", 0) == "WorkloadRequest");
  CHECK(RefusedField(std::string_view("\x22\x00", 2), 0) == "WorkloadRequest");  // number 4
  CHECK(RefusedField("\x0a\xff", 1) == "WorkloadRequest");
}

TEST_CASE("a uid that is no UTF-8 is refused") {
  CHECK(RefusedField("\x12\x03\x12\x01\xff", 0) == "WorkloadRequest");
}

TEST_CASE("a packet over 1024 bytes is neither taken nor sent") {
  const std::string padding(1025, '\0');
  CHECK(RefusedField(padding, 0) == "WorkloadRequest");
  const std::string name(253, 'a');
  const PodInfo longest{name, name, name};
  CHECK(EncodeRequest(AddPod{.uid = "u", .info = longest, .netns = UniqueFd()}).ok());
  const auto refused =
      EncodeRequest(AddPod{.uid = std::string(253, 'u'), .info = longest, .netns = UniqueFd()});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().why == "is longer than 1024 bytes");
}

TEST_CASE("what cuts a packet never passes") {
  for (const std::string& whole : {AddPacket(), Encoded(KeepPod{"uid"}), Encoded(DelPod{"uid"})}) {
    for (size_t size = 0; size < whole.size(); ++size) {
      const auto request = DecodeRequest(AsBytes(whole).first(size), Descriptors(1));
      INFO("cut at " << size);
      CHECK_FALSE(request.ok());
    }
  }
}

TEST_CASE("a name that could mean more than a name in an identity is refused") {
  CHECK(CheckPodInfo(InfoOf("cart-7.x")).ok());
  for (const std::string bad : {"", "a/sa/root", "A", "a b", "a%2f", "a\n", "b\xc3\xa4r"}) {
    INFO(bad);
    CHECK_FALSE(CheckPodInfo({.name = bad, .ns = "n", .service_account = "s"}).ok());
    CHECK_FALSE(CheckPodInfo({.name = "n", .ns = bad, .service_account = "s"}).ok());
    CHECK_FALSE(CheckPodInfo({.name = "n", .ns = "n", .service_account = bad}).ok());
  }
}

TEST_CASE("a hello of another version is refused, naming it") {
  CHECK(DecodeHello(AsBytes(EncodeHello())).ok());
  const auto none = DecodeHello(AsBytes(""));
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().ToString() == "version: is 0, only 1 is known");
  const auto two = DecodeHello(AsBytes("\x08\x02"));
  REQUIRE_FALSE(two.ok());
  CHECK(two.error().ToString() == "version: is 2, only 1 is known");
  CHECK_FALSE(DecodeHello(AsBytes("\x08")).ok());
}

TEST_CASE("an acknowledgement carries its error, cut and in ASCII") {
  CHECK(*DecodeAck(AsBytes(EncodeAck("bind: in use"))) == "bind: in use");
  const std::string big(5000, 'x');
  const std::string packet = EncodeAck(big);
  CHECK(packet.size() <= kMaxZdsPacket);
  CHECK(DecodeAck(AsBytes(packet))->size() == 960);
  CHECK(*DecodeAck(AsBytes(EncodeAck("a\xff\n"))) == "a??");
}

TEST_CASE("a response without an ack is refused") {
  CHECK_FALSE(DecodeAck(AsBytes("")).ok());
  CHECK_FALSE(DecodeAck(AsBytes(std::string_view("\x12\x00", 2))).ok());
}

}  // namespace aquifer::redirect
