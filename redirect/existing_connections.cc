#include "redirect/existing_connections.h"

#include <linux/inet_diag.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "core/base/address.h"
#include "redirect/netlink.h"

namespace aquifer::redirect {
namespace {

// As many as the tracking of a node commonly holds; with more the pod is not kept from the mesh.
constexpr std::size_t kMost = 65'536;
// The kernel's for an established connection, and for one that is being opened; for the others
// ours (redirect/tracking.cc). The next packet sets what is configured.
constexpr std::uint32_t kEstablishedSeconds = 5 * 24 * 3600;
constexpr std::uint32_t kOpeningSeconds = 60;
constexpr std::uint32_t kHalfClosedSeconds = 3600;
constexpr std::uint32_t kEndingSeconds = 180;

struct Ends {
  Address near;
  Address far;
  int state = TCP_ESTABLISHED;
};

struct Sockets {
  std::set<std::uint16_t> listening;
  std::vector<Ends> connections;
  bool all = true;
};

constexpr std::uint32_t Bit(int state) { return 1U << state; }

// Left out is what has ended, and what only asks to be opened: its next SYN is captured, and an
// entry of ours could be there before its first one.
constexpr std::uint32_t kStates = ~(Bit(TCP_TIME_WAIT) | Bit(TCP_CLOSE) | Bit(TCP_SYN_SENT));

// A socket for both families shows IPv4 as ::ffff:a.b.c.d; its packets are IPv4's.
Address AddressOf(int family, const __be32 (&words)[4], __be16 port) {
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(words);
  const bool mapped = words[0] == 0 && words[1] == 0 && words[2] == htonl(0xffff);
  Bytes address(bytes, 16);
  if (family == AF_INET) address = address.first(4);
  if (family == AF_INET6 && mapped) address = address.last(4);
  return {.ip = Ip::FromBytes(address).value_or(Ip()), .port = ntohs(port)};
}

void Take(const NetlinkAnswer& answer, Sockets& found) {
  const auto socket = answer.header<inet_diag_msg>();
  if (!socket) return;
  const inet_diag_sockid& id = socket->id;
  if (socket->idiag_state == TCP_LISTEN) {
    found.listening.insert(ntohs(id.idiag_sport));
    return;
  }
  if (found.connections.size() == kMost) {
    found.all = false;
    return;
  }
  const Ends ends{AddressOf(socket->idiag_family, id.idiag_src, id.idiag_sport),
                  AddressOf(socket->idiag_family, id.idiag_dst, id.idiag_dport),
                  socket->idiag_state};
  if (!ends.far.ip.is_loopback()) found.connections.push_back(ends);
}

Result<Sockets, Refusal> TcpSockets() {
  Result<NetlinkSocket> socket = NetlinkSocket::Open(NETLINK_SOCK_DIAG);
  if (!socket) return Refusal{"sockets", Describe(socket.error())};
  Sockets found;
  for (const int family : {AF_INET, AF_INET6}) {
    inet_diag_req_v2 asked{};
    asked.sdiag_family = static_cast<std::uint8_t>(family);
    asked.sdiag_protocol = IPPROTO_TCP;
    asked.idiag_states = kStates;
    const Status read = socket->Dump(NetlinkRequest(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, asked),
                                     [&](const NetlinkAnswer& answer) { Take(answer, found); });
    const bool no_ipv6 = family == AF_INET6 && !read && read.error().os_error == ENOENT;
    if (!read && !no_ipv6) return Refusal{"sockets", Describe(read.error())};
  }
  return found;
}

template <class Number>
void Put(NetlinkRequest& request, std::uint16_t type, Number value) {
  request.Attribute(type, Bytes(reinterpret_cast<const std::uint8_t*>(&value), sizeof value));
}

void PutTuple(NetlinkRequest& request, std::uint16_t type, const Address& from, const Address& to) {
  const bool v4 = from.ip.is_v4();
  const std::size_t tuple = request.Begin(type);
  const std::size_t addresses = request.Begin(CTA_TUPLE_IP);
  request.Attribute(v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, from.ip.bytes());
  request.Attribute(v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, to.ip.bytes());
  request.End(addresses);
  const std::size_t ports = request.Begin(CTA_TUPLE_PROTO);
  Put<std::uint8_t>(request, CTA_PROTO_NUM, IPPROTO_TCP);
  Put<__be16>(request, CTA_PROTO_SRC_PORT, htons(from.port));
  Put<__be16>(request, CTA_PROTO_DST_PORT, htons(to.port));
  request.End(ports);
  request.End(tuple);
}

// As the kernel itself takes up a connection in its middle: its windows are not known.
void PutState(NetlinkRequest& request, std::uint8_t state) {
  constexpr std::uint8_t kFlags = IP_CT_TCP_FLAG_SACK_PERM | IP_CT_TCP_FLAG_BE_LIBERAL;
  constexpr nf_ct_tcp_flags kBoth{.flags = kFlags, .mask = kFlags};
  const std::size_t protocol = request.Begin(CTA_PROTOINFO);
  const std::size_t tcp = request.Begin(CTA_PROTOINFO_TCP);
  Put<std::uint8_t>(request, CTA_PROTOINFO_TCP_STATE, state);
  Put(request, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, kBoth);
  Put(request, CTA_PROTOINFO_TCP_FLAGS_REPLY, kBoth);
  request.End(tcp);
  request.End(protocol);
}

// `first` opened the connection: who opens it again after its end starts a new one.
NetlinkRequest EntryRequest(const Address& first, const Address& second, TrackedAs as) {
  constexpr std::uint16_t kNew = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW;
  constexpr std::uint32_t kStatus = IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED;
  nfgenmsg header{};
  header.nfgen_family = first.ip.is_v4() ? AF_INET : AF_INET6;
  header.version = NFNETLINK_V0;
  NetlinkRequest request(kNew, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, header);
  PutTuple(request, CTA_TUPLE_ORIG, first, second);
  PutTuple(request, CTA_TUPLE_REPLY, second, first);
  request.Attribute(CTA_STATUS, htonl(kStatus));
  request.Attribute(CTA_TIMEOUT, htonl(as.seconds));
  PutState(request, as.state);
  return request;
}

}  // namespace

TrackedAs TrackedAsOf(int socket_state) {
  switch (socket_state) {
    case TCP_ESTABLISHED:
    case TCP_CLOSE_WAIT:  // its application ends it, with packets that are seen
      return {TCP_CONNTRACK_ESTABLISHED, kEstablishedSeconds};
    case TCP_FIN_WAIT1:
      return {TCP_CONNTRACK_FIN_WAIT, kEndingSeconds};
    case TCP_FIN_WAIT2:  // may end without one more packet
      return {TCP_CONNTRACK_CLOSE_WAIT, kHalfClosedSeconds};
    case TCP_CLOSING:
    case TCP_LAST_ACK:
      return {TCP_CONNTRACK_LAST_ACK, kEndingSeconds};
    default:  // its handshake is under way; whoever asked may never end it
      return {TCP_CONNTRACK_SYN_RECV, kOpeningSeconds};
  }
}

Existing KeepExisting() {
  Existing existing;
  const Result<Sockets, Refusal> sockets = TcpSockets();
  if (!sockets) existing.not_kept = sockets.error();
  if (!sockets || sockets->connections.empty()) return existing;
  Result<NetlinkSocket> tracking = NetlinkSocket::Open(NETLINK_NETFILTER);
  if (!tracking) {
    existing.not_kept = Refusal{"tracking", Describe(tracking.error())};
    return existing;
  }
  if (!sockets->all) existing.not_kept = {"connections", "are more than " + std::to_string(kMost)};
  for (const Ends& ends : sockets->connections) {
    const bool accepted = sockets->listening.contains(ends.near.port);
    const TrackedAs as = TrackedAsOf(ends.state);
    const Status made = tracking->Do(accepted ? EntryRequest(ends.far, ends.near, as)
                                              : EntryRequest(ends.near, ends.far, as));
    if (made) ++existing.kept;
    if (made || made.error().os_error == EEXIST) continue;
    existing.not_kept = {"connection of " + ends.near.ToString() + " and " + ends.far.ToString(),
                         Describe(made.error())};
  }
  return existing;
}

}  // namespace aquifer::redirect
