#include "redirect/rtnetlink.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

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

}  // namespace

void RouteRequest::Attribute(std::uint16_t type, std::uint32_t value) {
  const std::size_t start = NLMSG_ALIGN(head().nlmsg_len);
  AQ_CHECK(start + RTA_SPACE(sizeof value) <= buffer_.size());
  rtattr attribute{.rta_len = RTA_LENGTH(sizeof value), .rta_type = type};
  std::memcpy(&buffer_[start], &attribute, sizeof attribute);
  std::memcpy(&buffer_[start + RTA_LENGTH(0)], &value, sizeof value);
  head().nlmsg_len = static_cast<std::uint32_t>(start + RTA_LENGTH(sizeof value));
}

std::optional<std::uint32_t> RouteAnswer::Attribute(std::size_t header_size,
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

Result<RouteSocket> RouteSocket::Open() {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd.valid()) return LastError();
  return RouteSocket(std::move(fd));
}

Status RouteSocket::Send(const RouteRequest& request) {
  const Bytes bytes = request.bytes();
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (::sendto(fd_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&kernel),
               sizeof kernel) < 0) {
    return LastError();
  }
  return {};
}

Status RouteSocket::Do(const RouteRequest& request) {
  const auto ignore = [](const RouteAnswer&) {};
  return Dump(request, ignore);
}

Status RouteSocket::Dump(const RouteRequest& request,
                         const std::function<void(const RouteAnswer&)>& each) {
  AQ_TRY_STATUS(Send(request));
  std::vector<std::uint8_t> buffer(kReadBytes);
  while (true) {
    const ssize_t received = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) return LastError();
    std::size_t left = static_cast<std::size_t>(received);
    const std::uint8_t* at = buffer.data();
    while (left >= sizeof(nlmsghdr)) {
      const auto& message = *reinterpret_cast<const nlmsghdr*>(at);
      if (message.nlmsg_len < sizeof(nlmsghdr) || message.nlmsg_len > left) {
        return Error{Reason::kSystem, EBADMSG};
      }
      if (message.nlmsg_type == NLMSG_DONE) return {};
      if (message.nlmsg_type == NLMSG_ERROR) {
        const int verdict = Verdict(message);
        if (verdict == 0) return {};
        return Error{ReasonFromErrno(verdict), verdict};
      }
      each(RouteAnswer(message));
      const std::size_t step = std::min<std::size_t>(NLMSG_ALIGN(message.nlmsg_len), left);
      at += step;
      left -= step;
    }
  }
}

}  // namespace aquifer::redirect
