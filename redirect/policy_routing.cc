#include "redirect/policy_routing.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cerrno>
#include <string>
#include <vector>

#include "redirect/netlink.h"
#include "redirect/netns.h"

namespace aquifer::redirect {
namespace {

constexpr std::uint32_t kMark = 0x111;
constexpr std::uint32_t kMarkMask = 0xfff;
constexpr std::uint32_t kPriority = 32764;  // before the main table, which would send it out
constexpr std::uint8_t kTable = 100;

std::string Named(int family, std::string_view what) {
  return std::string(family == AF_INET ? "IPv4 " : "IPv6 ") + std::string(what);
}

NetlinkRequest RuleRequest(std::uint16_t type, std::uint16_t flags, int family) {
  fib_rule_hdr header{};
  header.family = static_cast<std::uint8_t>(family);
  header.table = kTable;
  header.action = FR_ACT_TO_TBL;
  NetlinkRequest request(type, flags, header);
  request.Attribute(FRA_PRIORITY, kPriority);
  request.Attribute(FRA_FWMARK, kMark);
  request.Attribute(FRA_FWMASK, kMarkMask);
  return request;
}

NetlinkRequest LocalRouteRequest(std::uint16_t type, std::uint16_t flags, int family,
                                 std::uint32_t loopback) {
  rtmsg header{};
  header.rtm_family = static_cast<std::uint8_t>(family);
  header.rtm_table = kTable;
  header.rtm_protocol = RTPROT_BOOT;
  header.rtm_scope = RT_SCOPE_HOST;
  header.rtm_type = RTN_LOCAL;
  NetlinkRequest request(type, flags, header);
  request.Attribute(RTA_OIF, loopback);
  return request;
}

std::vector<int> Families() {
  if (Ipv6Enabled()) return {AF_INET, AF_INET6};
  return {AF_INET};
}

bool IsOurRule(const NetlinkAnswer& answer) {
  const auto header = answer.header<fib_rule_hdr>();
  if (!header || header->action != FR_ACT_TO_TBL || header->table != kTable) return false;
  const auto value = [&](std::uint16_t type) {
    return answer.Attribute(sizeof(fib_rule_hdr), type);
  };
  return value(FRA_PRIORITY) == kPriority && value(FRA_FWMARK) == kMark &&
         value(FRA_FWMASK) == kMarkMask;
}

bool IsOurRoute(const NetlinkAnswer& answer, std::uint32_t loopback) {
  const auto header = answer.header<rtmsg>();
  return header && header->rtm_table == kTable && header->rtm_type == RTN_LOCAL &&
         header->rtm_dst_len == 0 && answer.Attribute(sizeof(rtmsg), RTA_OIF) == loopback;
}

Result<void, Refusal> Check(NetlinkSocket& socket, int family, std::uint32_t loopback) {
  bool rule = false;
  fib_rule_hdr rules{};
  rules.family = static_cast<std::uint8_t>(family);
  const Status rules_read = socket.Dump(NetlinkRequest(RTM_GETRULE, NLM_F_DUMP, rules),
                                        [&](const NetlinkAnswer& a) { rule |= IsOurRule(a); });
  if (!rules_read) return Refusal{Named(family, "rules"), Describe(rules_read.error())};
  if (!rule) {
    return Refusal{Named(family, "rule"), "no fwmark 0x111/0xfff priority 32764 to table 100"};
  }
  bool route = false;
  rtmsg routes{};
  routes.rtm_family = static_cast<std::uint8_t>(family);
  const Status routes_read =
      socket.Dump(NetlinkRequest(RTM_GETROUTE, NLM_F_DUMP, routes),
                  [&](const NetlinkAnswer& a) { route |= IsOurRoute(a, loopback); });
  if (!routes_read) return Refusal{Named(family, "routes"), Describe(routes_read.error())};
  if (!route) return Refusal{Named(family, "route"), "no local default by lo in table 100"};
  return {};
}

bool Gone(const Status& status) {
  if (status) return true;
  const int error = status.error().os_error;
  return error == ENOENT || error == ESRCH || error == EAFNOSUPPORT;
}

struct Setup {
  NetlinkSocket socket;
  std::uint32_t loopback;
};

Result<Setup, Refusal> Open() {
  Result<NetlinkSocket> socket = NetlinkSocket::Open(NETLINK_ROUTE);
  if (!socket) return Refusal{"rtnetlink", Describe(socket.error())};
  const std::uint32_t loopback = ::if_nametoindex("lo");
  if (loopback == 0) return Refusal{"lo", "the namespace has no loopback interface"};
  return Setup{*std::move(socket), loopback};
}

}  // namespace

Result<void, Refusal> AddPolicyRouting() {
  AQ_TRY(Setup setup, Open());
  constexpr std::uint16_t kAdd = NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
  for (const int family : Families()) {
    // Without EXCL the kernel would add the rule once more each time.
    const Status rule = setup.socket.Do(RuleRequest(RTM_NEWRULE, kAdd, family));
    if (!rule && rule.error().os_error != EEXIST) {
      return Refusal{Named(family, "rule fwmark 0x111/0xfff"), Describe(rule.error())};
    }
    const Status route =
        setup.socket.Do(LocalRouteRequest(RTM_NEWROUTE, kAdd, family, setup.loopback));
    if (!route && route.error().os_error != EEXIST) {
      const std::string hint = route.error().os_error == ENETDOWN ? " (lo is down)" : "";
      return Refusal{Named(family, "local route in table 100"), Describe(route.error()) + hint};
    }
  }
  return {};
}

Result<void, Refusal> RemovePolicyRouting() {
  AQ_TRY(Setup setup, Open());
  // Both families: IPv6 may have been switched off since.
  for (const int family : {AF_INET, AF_INET6}) {
    const Status rule = setup.socket.Do(RuleRequest(RTM_DELRULE, NLM_F_ACK, family));
    if (!Gone(rule)) {
      return Refusal{Named(family, "rule fwmark 0x111/0xfff"), Describe(rule.error())};
    }
    const Status route =
        setup.socket.Do(LocalRouteRequest(RTM_DELROUTE, NLM_F_ACK, family, setup.loopback));
    if (!Gone(route)) {
      return Refusal{Named(family, "local route in table 100"), Describe(route.error())};
    }
  }
  return {};
}

Result<void, Refusal> CheckPolicyRouting() {
  AQ_TRY(Setup setup, Open());
  for (const int family : Families()) {
    AQ_TRY_STATUS(Check(setup.socket, family, setup.loopback));
  }
  return {};
}

}  // namespace aquifer::redirect
