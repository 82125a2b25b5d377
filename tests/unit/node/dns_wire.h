// DNS messages as bytes, written and read by hand: the other side of what is tested.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"

namespace aquifer::node::dns::test {

struct DnsQueryText {
  std::uint16_t id = 1;
  std::string name = "www.example.com";
  std::uint16_t type = 1;
  int edns_bytes = -1;  // negative: no EDNS
  std::uint8_t edns_version = 0;
  bool dnssec_ok = false;
};

inline void PutName(ByteWriter& writer, std::string_view name) {
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    writer.U8(static_cast<std::uint8_t>(label.size()));
    writer.Raw(AsBytes(label));
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  writer.U8(0);
}

inline std::string DnsQuery(const DnsQueryText& text) {
  std::string wire;
  ByteWriter writer(wire);
  writer.U16(text.id);
  writer.U16(0x0100);
  writer.U16(1);
  writer.U32(0);
  writer.U16(text.edns_bytes < 0 ? 0 : 1);
  PutName(writer, text.name);
  writer.U16(text.type);
  writer.U16(1);
  if (text.edns_bytes < 0) return wire;
  writer.U8(0);
  writer.U16(41);
  writer.U16(static_cast<std::uint16_t>(text.edns_bytes));
  writer.U8(0);
  writer.U8(text.edns_version);
  writer.U16(text.dnssec_ok ? 0x8000 : 0);
  writer.U16(0);
  return wire;
}

struct DnsReply {
  int id = 0;
  bool authoritative = false;
  bool truncated = false;
  bool recursion_available = false;
  int rcode = 0;  // with what EDNS adds
  int edns_bytes = -1;
  bool dnssec_ok = false;
  std::string question;
  std::vector<std::string> answers;  // "name ttl A address"
  std::vector<std::string> authorities;
};

// A reader that trusts what it reads to be of our own making.
class ReplyReader {
 public:
  explicit ReplyReader(const std::string& wire) : wire_(AsBytes(wire)) {}

  DnsReply Read() {
    DnsReply reply;
    reply.id = U16();
    const int flags = U16();
    reply.authoritative = (flags & 0x0400) != 0;
    reply.truncated = (flags & 0x0200) != 0;
    reply.recursion_available = (flags & 0x0080) != 0;
    reply.rcode = flags & 0xf;
    const int questions = U16();
    const int answers = U16();
    const int authorities = U16();
    const int additionals = U16();
    for (int i = 0; i < questions; ++i) {
      reply.question = Name();
      at_ += 4;
    }
    for (int i = 0; i < answers; ++i) reply.answers.push_back(Record(reply));
    for (int i = 0; i < authorities; ++i) reply.authorities.push_back(Record(reply));
    for (int i = 0; i < additionals; ++i) Record(reply);
    return reply;
  }

 private:
  int U16() {
    at_ += 2;
    return wire_[at_ - 2] << 8 | wire_[at_ - 1];
  }
  std::string NameAt(std::size_t& at) const {
    std::string name;
    while (wire_[at] != 0) {
      if (wire_[at] >= 0xc0) {
        std::size_t target = static_cast<std::size_t>((wire_[at] & 0x3f) << 8 | wire_[at + 1]);
        at += 2;
        const std::string rest = NameAt(target);
        return name.empty() ? rest : name + "." + rest;
      }
      if (!name.empty()) name += '.';
      name += AsText(wire_.subspan(at + 1, wire_[at]));
      at += 1U + wire_[at];
    }
    ++at;
    return name;
  }
  std::string Name() { return NameAt(at_); }
  std::string Record(DnsReply& reply) {
    std::string text = Name();
    const int type = U16();
    const int klass = U16();
    const int high = U16();
    const int low = U16();
    const std::size_t size = static_cast<std::size_t>(U16());
    const std::size_t end = at_ + size;
    text += " " + std::to_string(high << 16 | low) + " ";
    if (type == 1 || type == 28) {
      text += type == 1 ? "A " : "AAAA ";
      text += Ip::FromBytes(wire_.subspan(at_, size))->ToString();
    } else if (type == 5) {
      text += "CNAME " + Name();
    } else if (type == 6) {
      text += "SOA";
    } else if (type == 41) {
      reply.edns_bytes = klass;
      reply.rcode |= high >> 8 << 4;
      reply.dnssec_ok = (low & 0x8000) != 0;
    }
    at_ = end;
    return text;
  }

  Bytes wire_;
  std::size_t at_ = 0;
};

inline DnsReply ReadReply(const std::string& wire) { return ReplyReader(wire).Read(); }

}  // namespace aquifer::node::dns::test
