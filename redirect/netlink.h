// A small netlink(7): build a request, send it, get the kernel's verdict or its dump. For the
// network namespace of the calling thread. One thread.
#pragma once

#include <linux/netlink.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/base/result.h"
#include "core/base/unique_fd.h"

namespace aquifer::redirect {

// One request: a fixed header of the message's type, then attributes. Bounded by what we ever ask.
class NetlinkRequest {
 public:
  template <class Header>
  NetlinkRequest(std::uint16_t type, std::uint16_t flags, const Header& header) {
    nlmsghdr& start = head();
    start.nlmsg_type = type;
    start.nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST);
    start.nlmsg_len = NLMSG_LENGTH(sizeof header);
    AQ_CHECK(start.nlmsg_len <= buffer_.size());
    std::memcpy(NLMSG_DATA(&start), &header, sizeof header);
  }
  void Attribute(std::uint16_t type, std::uint32_t value);
  void Attribute(std::uint16_t type, Bytes value);
  // What is put between is inside of an attribute of this type.
  std::size_t Begin(std::uint16_t type);
  void End(std::size_t begun);

  Bytes bytes() const { return {buffer_.data(), head().nlmsg_len}; }

 private:
  nlmsghdr& head() { return *reinterpret_cast<nlmsghdr*>(buffer_.data()); }
  const nlmsghdr& head() const { return *reinterpret_cast<const nlmsghdr*>(buffer_.data()); }

  alignas(nlmsghdr) std::array<std::uint8_t, 512> buffer_{};
};

// One message of a dump: the fixed header and the attributes behind it.
class NetlinkAnswer {
 public:
  explicit NetlinkAnswer(const nlmsghdr& message) : message_(message) {}

  template <class Header>
  std::optional<Header> header() const {
    if (message_.nlmsg_len < NLMSG_LENGTH(sizeof(Header))) return std::nullopt;
    Header header;
    std::memcpy(&header, NLMSG_DATA(&message_), sizeof header);
    return header;
  }
  // A 32-bit attribute behind a header of this size.
  std::optional<std::uint32_t> Attribute(std::size_t header_size, std::uint16_t type) const;

 private:
  const nlmsghdr& message_;
};

// Calls `each` for every message of what one read gave. True once the end has come, with the errno
// of a dump that the kernel gave up as an error.
Result<bool> ReadAnswers(Bytes bytes, const std::function<void(const NetlinkAnswer&)>& each);

class NetlinkSocket {
 public:
  // `protocol` is one of netlink's: NETLINK_ROUTE and the like.
  static Result<NetlinkSocket> Open(int protocol);

  // Ok when the kernel has done it; its errno otherwise.
  Status Do(const NetlinkRequest& request);
  // Calls `each` for every message of a dump.
  Status Dump(const NetlinkRequest& request, const std::function<void(const NetlinkAnswer&)>& each);

 private:
  explicit NetlinkSocket(UniqueFd fd) : fd_(std::move(fd)) {}
  Status Send(const NetlinkRequest& request);

  UniqueFd fd_;
};

}  // namespace aquifer::redirect
