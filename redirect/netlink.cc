#include "redirect/netlink.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "core/base/last_error.h"

namespace aquifer::redirect {
namespace {

// The kernel fills at most 32 KiB into one read of a dump.
constexpr std::size_t kReadBytes = 32 * 1024;

// The errno of an acknowledgement or error message.
int Verdict(const nlmsghdr& message) {
  if (message.nlmsg_len < NLMSG_LENGTH(sizeof(nlmsgerr))) return EBADMSG;
  nlmsgerr verdict;
  std::memcpy(&verdict, NLMSG_DATA(&message), sizeof verdict);
  return -verdict.error;
}

// The same of the end of a dump: what fails once it has begun, be it at its first message, is told
// there alone.
int VerdictOfDump(const nlmsghdr& message) {
  int error = 0;
  if (message.nlmsg_len < NLMSG_LENGTH(sizeof error)) return 0;
  std::memcpy(&error, NLMSG_DATA(&message), sizeof error);
  return -error;
}

Result<bool> Ended(int verdict) {
  if (verdict == 0) return true;
  return Error{ReasonFromErrno(verdict), verdict};
}

}  // namespace

void NetlinkRequest::Attribute(std::uint16_t type, std::uint32_t value) {
  Attribute(type, Bytes(reinterpret_cast<const std::uint8_t*>(&value), sizeof value));
}

void NetlinkRequest::Attribute(std::uint16_t type, Bytes value) {
  const std::size_t start = NLMSG_ALIGN(head().nlmsg_len);
  AQ_CHECK(start + RTA_SPACE(value.size()) <= buffer_.size());
  const auto length = static_cast<std::uint16_t>(RTA_LENGTH(value.size()));
  const rtattr attribute{.rta_len = length, .rta_type = type};
  std::memcpy(&buffer_[start], &attribute, sizeof attribute);
  if (!value.empty()) std::memcpy(&buffer_[start + RTA_LENGTH(0)], value.data(), value.size());
  head().nlmsg_len = static_cast<std::uint32_t>(start + length);
}

std::size_t NetlinkRequest::Begin(std::uint16_t type) {
  const std::size_t start = NLMSG_ALIGN(head().nlmsg_len);
  Attribute(static_cast<std::uint16_t>(type | NLA_F_NESTED), Bytes());
  return start;
}

void NetlinkRequest::End(std::size_t begun) {
  rtattr attribute;
  std::memcpy(&attribute, &buffer_[begun], sizeof attribute);
  attribute.rta_len = static_cast<std::uint16_t>(head().nlmsg_len - begun);
  std::memcpy(&buffer_[begun], &attribute, sizeof attribute);
}

std::optional<std::uint32_t> NetlinkAnswer::Attribute(std::size_t header_size,
                                                      std::uint16_t type) const {
  const auto* const start = reinterpret_cast<const std::uint8_t*>(&message_);
  std::size_t at = NLMSG_SPACE(header_size);
  while (at + sizeof(rtattr) <= message_.nlmsg_len) {
    rtattr attribute;
    std::memcpy(&attribute, start + at, sizeof attribute);
    if (attribute.rta_len < sizeof attribute) break;
    if (at + attribute.rta_len > message_.nlmsg_len) break;
    std::uint32_t value = 0;
    if (attribute.rta_type == type && attribute.rta_len == RTA_LENGTH(sizeof value)) {
      std::memcpy(&value, start + at + RTA_LENGTH(0), sizeof value);
      return value;
    }
    at += RTA_ALIGN(attribute.rta_len);
  }
  return std::nullopt;
}

Result<bool> ReadAnswers(Bytes bytes, const std::function<void(const NetlinkAnswer&)>& each) {
  while (bytes.size() >= sizeof(nlmsghdr)) {
    const auto& message = *reinterpret_cast<const nlmsghdr*>(bytes.data());
    if (message.nlmsg_len < sizeof(nlmsghdr) || message.nlmsg_len > bytes.size()) {
      return Error{Reason::kSystem, EBADMSG};
    }
    if (message.nlmsg_type == NLMSG_DONE) return Ended(VerdictOfDump(message));
    if (message.nlmsg_type == NLMSG_ERROR) return Ended(Verdict(message));
    each(NetlinkAnswer(message));
    bytes = bytes.subspan(std::min<std::size_t>(NLMSG_ALIGN(message.nlmsg_len), bytes.size()));
  }
  return false;
}

Result<NetlinkSocket> NetlinkSocket::Open(int protocol) {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!fd.valid()) return LastError();
  return NetlinkSocket(std::move(fd));
}

Status NetlinkSocket::Send(const NetlinkRequest& request) {
  const Bytes bytes = request.bytes();
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (::sendto(fd_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&kernel),
               sizeof kernel) < 0) {
    return LastError();
  }
  return {};
}

Status NetlinkSocket::Do(const NetlinkRequest& request) {
  const auto ignore = [](const NetlinkAnswer&) {};
  return Dump(request, ignore);
}

Status NetlinkSocket::Dump(const NetlinkRequest& request,
                           const std::function<void(const NetlinkAnswer&)>& each) {
  AQ_TRY_STATUS(Send(request));
  std::vector<std::uint8_t> buffer(kReadBytes);
  while (true) {
    sockaddr_nl from{};
    socklen_t length = sizeof from;
    const ssize_t received = ::recvfrom(fd_.get(), buffer.data(), buffer.size(), 0,
                                        reinterpret_cast<sockaddr*>(&from), &length);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) return LastError();
    // Who administers the namespace, as a pod may, can send here too.
    if (from.nl_pid != 0) continue;
    AQ_TRY(const bool ended,
           ReadAnswers(Bytes(buffer).first(static_cast<std::size_t>(received)), each));
    if (ended) return {};
  }
}

}  // namespace aquifer::redirect
