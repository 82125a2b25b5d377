#include "redirect/rule_text.h"

#include <vector>

namespace aquifer::redirect {
namespace {

// Lower twelve bits carry the marks; the others belong to whoever else marks packets.
constexpr std::string_view kIsProxy = "meta mark & 0xfff == 0x539";
constexpr std::string_view kNotProxy = "meta mark & 0xfff != 0x539";
// On connections whose packets the proxy sent with a borrowed source address: answers to them would
// leave the pod, and are turned back by mark and policy routing.
constexpr std::string_view kIsReturning = "meta mark & 0xfff == 0x111";
// Health probes of the node come from these addresses (translated in the node's own namespace) and
// pass by the proxy: they have no identity that a policy could allow.
constexpr std::string_view kFromProbe4 = "ip saddr 169.254.7.127";
constexpr std::string_view kFromProbe6 = "ip6 saddr fd16:9254:7127:1337:ffff:ffff:ffff:ffff";
constexpr std::string_view kToProbe4 = "ip daddr 169.254.7.127";
constexpr std::string_view kToProbe6 = "ip6 daddr fd16:9254:7127:1337:ffff:ffff:ffff:ffff";
constexpr std::string_view kNotLoopback4 = "ip daddr != 127.0.0.1";
constexpr std::string_view kNotLoopback6 = "ip6 daddr != ::1";

class Text {
 public:
  void Line(std::initializer_list<std::string_view> words) {
    for (const std::string_view word : words) {
      text_ += word;
      text_ += ' ';
    }
    text_.back() = '\n';
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

void Drop(Text& text, std::string_view table) {
  // Deleting alone would fail where there is none, and the whole transaction with it.
  text.Line({"add table inet", table});
  text.Line({"delete table inet", table});
}

struct Hook {
  std::string_view type;
  std::string_view priority;
};

// The chains at the hooks only jump: what others add to the same hooks stays apart from our rules.
void OpenTable(Text& text, std::string_view table, Hook prerouting, Hook output) {
  text.Line({"table inet", table, "{"});
  text.Line({"chain prerouting { type", prerouting.type, "hook prerouting priority",
             prerouting.priority, "; policy accept; jump istio-prerouting; }"});
  text.Line({"chain output { type", output.type, "hook output priority", output.priority,
             "; policy accept; jump istio-output; }"});
}

void NatInbound(Text& text) {
  text.Line({kFromProbe4, "meta l4proto tcp counter accept"});
  text.Line({kFromProbe6, "meta l4proto tcp counter accept"});
  for (const std::string_view not_loopback : {kNotLoopback4, kNotLoopback6}) {
    text.Line({not_loopback, "tcp dport != 15008", kNotProxy, "counter redirect to :15006"});
  }
}

void NatDns(Text& text) {
  text.Line({"oifname != \"lo\" udp dport 53", kNotProxy, "counter redirect to :15053"});
  for (const std::string_view not_loopback : {kNotLoopback4, kNotLoopback6}) {
    text.Line({not_loopback, "tcp dport 53", kNotProxy, "counter redirect to :15053"});
  }
}

void NatOutbound(Text& text) {
  text.Line({"meta l4proto tcp", kIsReturning, "counter accept"});
  for (const std::string_view not_loopback : {kNotLoopback4, kNotLoopback6}) {
    text.Line({"oifname \"lo\"", not_loopback, "counter accept"});
  }
  for (const std::string_view not_loopback : {kNotLoopback4, kNotLoopback6}) {
    text.Line({not_loopback, "meta l4proto tcp", kNotProxy, "counter redirect to :15001"});
  }
}

void Nat(Text& text, const RuleOptions& options) {
  OpenTable(text, kTables[0], {"nat", "-100"}, {"nat", "-100"});
  text.Line({"chain istio-prerouting {"});
  if (options.inbound) NatInbound(text);
  text.Line({"}"});
  text.Line({"chain istio-output {"});
  text.Line({kToProbe4, "meta l4proto tcp counter accept"});
  text.Line({kToProbe6, "meta l4proto tcp counter accept"});
  if (options.dns) NatDns(text);
  if (options.outbound) NatOutbound(text);
  text.Line({"}"});
  text.Line({"}"});
}

// The kernel's tracking cannot tell a FIN that is sent twice from that of the other direction,
// takes a half-closed connection for an ended one, and gives its ports to a new one
// (nf_nat_may_kill). A tail loss probe sends it twice whenever its reader is slow to acknowledge;
// without SACK there is none. Captured connections run over loopback, which loses nothing.
void MangleOutbound(Text& text) {
  for (const std::string_view not_loopback : {kNotLoopback4, kNotLoopback6}) {
    text.Line({"oifname != \"lo\"", not_loopback, kNotProxy,
               "tcp flags & (fin|syn|rst|ack) == syn counter reset tcp option sack-perm"});
  }
}

void Mangle(Text& text, const RuleOptions& options) {
  OpenTable(text, kTables[1], {"filter", "-150"}, {"route", "-150"});
  text.Line({"chain istio-prerouting {"});
  text.Line({kIsProxy, "counter ct mark set ct mark and 0xfffff000 or 0x111"});
  text.Line({"}"});
  text.Line({"chain istio-output {"});
  text.Line({"ct mark & 0xfff == 0x111 counter meta mark set ct mark"});
  if (options.outbound) MangleOutbound(text);
  text.Line({"}"});
  text.Line({"}"});
}

// The proxy asks the same servers as the application would have: in a conntrack zone of their own
// its queries are not taken for the application's, and not translated back.
void Raw(Text& text, const RuleOptions& options) {
  OpenTable(text, kTables[2], {"filter", "-300"}, {"filter", "-300"});
  text.Line({"chain istio-prerouting {"});
  if (options.dns) text.Line({"udp sport 53", kNotProxy, "ct zone set 1"});
  text.Line({"}"});
  text.Line({"chain istio-output {"});
  if (options.dns) text.Line({"udp dport 53", kIsProxy, "ct zone set 1"});
  text.Line({"}"});
  text.Line({"}"});
}

}  // namespace

std::string RuleText(const RuleOptions& options) {
  Text text;
  for (const std::string_view table : kTables) Drop(text, table);
  Nat(text, options);
  Mangle(text, options);
  Raw(text, options);
  return text.Take();
}

std::string RemovalText() {
  Text text;
  for (const std::string_view table : kTables) Drop(text, table);
  return text.Take();
}

std::string ListingText(std::string_view table) { return "list table inet " + std::string(table); }

}  // namespace aquifer::redirect
