#include "redirect/datagram_origin.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "core/base/last_error.h"

namespace aquifer::redirect {
namespace {

constexpr std::size_t kHeaderBytes = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(nfgenmsg));
// An entry of the table with all its attributes takes some hundred bytes.
constexpr std::size_t kReadBytes = 4096;

// Attributes nested in attributes, each padded to four bytes.
class Attributes {
 public:
  void Put(std::uint16_t type, Bytes value) {
    const nlattr head{.nla_len = static_cast<std::uint16_t>(NLA_HDRLEN + value.size()),
                      .nla_type = type};
    text_.append(reinterpret_cast<const char*>(&head), sizeof head);
    text_.append(AsText(value));
    text_.resize(NLA_ALIGN(text_.size()));
  }
  void Put(std::uint16_t type, const Attributes& nested) {
    Put(type | NLA_F_NESTED, AsBytes(nested.text_));
  }
  void PutPort(std::uint16_t type, std::uint16_t port) {
    const std::array<std::uint8_t, 2> bytes{static_cast<std::uint8_t>(port >> 8),
                                            static_cast<std::uint8_t>(port & 0xff)};
    Put(type, bytes);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// The entry is known by what answers look like: from our socket to the client.
std::string Request(const Address& client, const Address& local, std::uint32_t sequence) {
  const bool v4 = client.ip.is_v4();
  Attributes ip;
  ip.Put(v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, local.ip.bytes());
  ip.Put(v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, client.ip.bytes());
  Attributes protocol;
  const std::array<std::uint8_t, 1> udp{IPPROTO_UDP};
  protocol.Put(CTA_PROTO_NUM, udp);
  protocol.PutPort(CTA_PROTO_SRC_PORT, local.port);
  protocol.PutPort(CTA_PROTO_DST_PORT, client.port);
  Attributes tuple;
  tuple.Put(CTA_TUPLE_IP, ip);
  tuple.Put(CTA_TUPLE_PROTO, protocol);
  Attributes all;
  all.Put(CTA_TUPLE_REPLY, tuple);
  nlmsghdr head{};
  head.nlmsg_len = static_cast<std::uint32_t>(kHeaderBytes + all.text().size());
  head.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
  head.nlmsg_flags = NLM_F_REQUEST;
  head.nlmsg_seq = sequence;
  nfgenmsg family{};
  family.nfgen_family = v4 ? AF_INET : AF_INET6;
  family.version = NFNETLINK_V0;
  std::string message(reinterpret_cast<const char*>(&head), sizeof head);
  message.append(reinterpret_cast<const char*>(&family), sizeof family);
  return message + all.text();
}

// The value of the first attribute of this type; empty if there is none.
Bytes Find(Bytes attributes, std::uint16_t type) {
  while (attributes.size() >= sizeof(nlattr)) {
    nlattr head{};
    std::memcpy(&head, attributes.data(), sizeof head);
    if (head.nla_len < NLA_HDRLEN || head.nla_len > attributes.size()) break;
    if ((head.nla_type & NLA_TYPE_MASK) == type)
      return attributes.subspan(NLA_HDRLEN, head.nla_len - NLA_HDRLEN);
    attributes =
        attributes.subspan(std::min<std::size_t>(NLA_ALIGN(head.nla_len), attributes.size()));
  }
  return {};
}

}  // namespace

Result<Address> OriginIn(Bytes message) {
  nlmsghdr head{};
  if (message.size() < sizeof head) return Error{Reason::kBadRequest};
  std::memcpy(&head, message.data(), sizeof head);
  if (head.nlmsg_len < sizeof head || head.nlmsg_len > message.size())
    return Error{Reason::kBadRequest};
  if (head.nlmsg_type == NLMSG_ERROR) {
    nlmsgerr verdict{};
    if (head.nlmsg_len < NLMSG_LENGTH(sizeof verdict)) return Error{Reason::kBadRequest};
    std::memcpy(&verdict, message.data() + NLMSG_HDRLEN, sizeof verdict);
    if (verdict.error == -ENOENT) return Error{Reason::kNotFound, ENOENT};
    return Error{Reason::kUnsupported, -verdict.error};
  }
  if (head.nlmsg_len < kHeaderBytes) return Error{Reason::kBadRequest};
  const Bytes tuple = Find(message.first(head.nlmsg_len).subspan(kHeaderBytes), CTA_TUPLE_ORIG);
  const Bytes ip = Find(tuple, CTA_TUPLE_IP);
  Bytes address = Find(ip, CTA_IP_V4_DST);
  if (address.empty()) address = Find(ip, CTA_IP_V6_DST);
  const Bytes port = Find(Find(tuple, CTA_TUPLE_PROTO), CTA_PROTO_DST_PORT);
  const std::optional<Ip> destination = Ip::FromBytes(address);
  if (!destination || port.size() != 2) return Error{Reason::kBadRequest};
  return Address{*destination, static_cast<std::uint16_t>(port[0] << 8 | port[1])};
}

Result<DatagramOrigin> DatagramOrigin::Open() {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!fd.valid()) return LastError();
  return DatagramOrigin(std::move(fd));
}

Result<Address> DatagramOrigin::Of(const Address& client, const Address& local) {
  if (client.ip.is_v4() != local.ip.is_v4()) return Error{Reason::kNotFound};
  const std::string request = Request(client, local, ++sequence_);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (::sendto(fd_.get(), request.data(), request.size(), 0,
               reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) < 0) {
    return LastError();
  }
  std::array<std::uint8_t, kReadBytes> buffer;
  while (true) {
    const ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0) return LastError();
    const Bytes message = Bytes(buffer).first(static_cast<std::size_t>(size));
    nlmsghdr head{};
    if (message.size() < sizeof head) return Error{Reason::kBadRequest};
    std::memcpy(&head, message.data(), sizeof head);
    // An answer that nobody waited for any more is no answer to this question.
    if (head.nlmsg_seq == sequence_) return OriginIn(message);
  }
}

}  // namespace aquifer::redirect
