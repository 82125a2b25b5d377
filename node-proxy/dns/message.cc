#include "node-proxy/dns/message.h"

#include <ares.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "absl/strings/ascii.h"

namespace aquifer::node::dns {
namespace {

constexpr std::size_t kHeaderBytes = 12;
constexpr std::size_t kMostNameBytes = 255;
constexpr std::size_t kPlainUdpBytes = 512;
constexpr unsigned kTtlSeconds = 30;
// A query has no more than its EDNS and a signature or two behind the question.
constexpr std::uint16_t kMostAdditionals = 4;
// Keeps an answer below kMostMessageBytes whatever its family.
constexpr std::size_t kMostAddresses = 2000;

struct DestroyRecord {
  void operator()(ares_dns_record_t* record) const { ares_dns_record_destroy(record); }
};
using RecordPtr = std::unique_ptr<ares_dns_record_t, DestroyRecord>;

// Behind the name and its type and class; 0 when it is cut off, too long or compressed.
std::size_t EndOfQuestion(Bytes message) {
  std::size_t at = kHeaderBytes;
  while (at < message.size() && message[at] != 0) {
    if (message[at] > 63) return 0;
    at += 1U + message[at];
    if (at - kHeaderBytes > kMostNameBytes) return 0;
  }
  const std::size_t end = at + 1 + 4;
  return end <= message.size() ? end : 0;
}

std::optional<Edns> EdnsOf(const ares_dns_record_t& record) {
  const std::size_t count = ares_dns_record_rr_cnt(&record, ARES_SECTION_ADDITIONAL);
  for (std::size_t i = 0; i < count; ++i) {
    const ares_dns_rr_t* rr = ares_dns_record_rr_get_const(&record, ARES_SECTION_ADDITIONAL, i);
    if (ares_dns_rr_get_type(rr) != ARES_REC_TYPE_OPT) continue;
    return Edns{.udp_bytes = ares_dns_rr_get_u16(rr, ARES_RR_OPT_UDP_SIZE),
                .version = ares_dns_rr_get_u8(rr, ARES_RR_OPT_VERSION),
                .flags = ares_dns_rr_get_u16(rr, ARES_RR_OPT_FLAGS)};
  }
  return std::nullopt;
}

// Builds one message; the first step that fails makes it fail.
class Writer {
 public:
  Writer(const Query& query, bool truncated) {
    constexpr unsigned kOurs = ARES_FLAG_QR | ARES_FLAG_AA | ARES_FLAG_RA;
    const unsigned flags =
        kOurs | (query.recursion_desired ? ARES_FLAG_RD : 0U) | (truncated ? ARES_FLAG_TC : 0U);
    ares_dns_record_t* record = nullptr;
    Did(ares_dns_record_create(&record, query.id, static_cast<unsigned short>(flags),
                               ARES_OPCODE_QUERY, ARES_RCODE_NOERROR));
    record_.reset(record);
    if (!ok_) return;
    Did(ares_dns_record_query_add(record, query.asked.c_str(),
                                  static_cast<ares_dns_rec_type_t>(query.type),
                                  static_cast<ares_dns_class_t>(query.klass)));
    if (query.edns) AddEdns(query);
  }

  void AddAlias(const std::string& name, const std::string& target) {
    ares_dns_rr_t* const rr = Add(ARES_SECTION_ANSWER, name, ARES_REC_TYPE_CNAME);
    if (ok_) Did(ares_dns_rr_set_str(rr, ARES_RR_CNAME_CNAME, target.c_str()));
  }
  void AddAddress(const std::string& name, const Ip& ip) {
    ares_dns_rr_t* const rr =
        Add(ARES_SECTION_ANSWER, name, ip.is_v4() ? ARES_REC_TYPE_A : ARES_REC_TYPE_AAAA);
    if (!ok_) return;
    if (ip.is_v4()) {
      in_addr address{};
      std::memcpy(&address, ip.bytes().data(), sizeof address);
      Did(ares_dns_rr_set_addr(rr, ARES_RR_A_ADDR, &address));
    } else {
      ares_in6_addr address{};
      std::memcpy(&address, ip.bytes().data(), sizeof address);
      Did(ares_dns_rr_set_addr6(rr, ARES_RR_AAAA_ADDR, &address));
    }
  }
  // RFC 2308: how long that there is no such record may be remembered.
  void AddStartOfAuthority(const std::string& zone) {
    ares_dns_rr_t* const rr = Add(ARES_SECTION_AUTHORITY, zone, ARES_REC_TYPE_SOA);
    if (!ok_) return;
    Did(ares_dns_rr_set_str(rr, ARES_RR_SOA_MNAME, zone.c_str()));
    Did(ares_dns_rr_set_str(rr, ARES_RR_SOA_RNAME, "nobody.invalid"));
    Did(ares_dns_rr_set_u32(rr, ARES_RR_SOA_SERIAL, 1));
    Did(ares_dns_rr_set_u32(rr, ARES_RR_SOA_REFRESH, 7200));
    Did(ares_dns_rr_set_u32(rr, ARES_RR_SOA_RETRY, 1800));
    Did(ares_dns_rr_set_u32(rr, ARES_RR_SOA_EXPIRE, 86'400));
    Did(ares_dns_rr_set_u32(rr, ARES_RR_SOA_MINIMUM, kTtlSeconds));
  }

  std::optional<std::string> Take() {
    unsigned char* bytes = nullptr;
    std::size_t size = 0;
    if (ok_) Did(ares_dns_write(record_.get(), &bytes, &size));
    if (!ok_) return std::nullopt;
    std::string text(reinterpret_cast<const char*>(bytes), size);
    ares_free_string(bytes);
    return text;
  }

 private:
  void Did(ares_status_t status) { ok_ = ok_ && status == ARES_SUCCESS; }
  ares_dns_rr_t* Add(ares_dns_section_t section, const std::string& name,
                     ares_dns_rec_type_t type) {
    ares_dns_rr_t* rr = nullptr;
    if (ok_)
      Did(ares_dns_record_rr_add(&rr, record_.get(), section, name.c_str(), type, ARES_CLASS_IN,
                                 kTtlSeconds));
    return rr;
  }
  void AddEdns(const Query& query) {
    ares_dns_rr_t* rr = nullptr;
    Did(ares_dns_record_rr_add(&rr, record_.get(), ARES_SECTION_ADDITIONAL, "", ARES_REC_TYPE_OPT,
                               ARES_CLASS_IN, 0));
    if (!ok_) return;
    Did(ares_dns_rr_set_u16(rr, ARES_RR_OPT_UDP_SIZE,
                            static_cast<unsigned short>(query.udp_bytes())));
    Did(ares_dns_rr_set_u8(rr, ARES_RR_OPT_VERSION, 0));
    constexpr std::uint16_t kDnssecOk = 0x8000;
    Did(ares_dns_rr_set_u16(rr, ARES_RR_OPT_FLAGS, query.edns->flags & kDnssecOk));
  }

  RecordPtr record_;
  bool ok_ = true;
};

std::optional<std::string> WriteSome(const Query& query, const Answer& answer, std::size_t count,
                                     bool truncated) {
  Writer writer(query, truncated);
  const std::string& owner = answer.alias.empty() ? query.asked : answer.alias;
  if (!answer.alias.empty()) writer.AddAlias(query.asked, answer.alias);
  for (std::size_t i = 0; i < count; ++i) writer.AddAddress(owner, answer.addresses[i]);
  if (answer.addresses.empty() && !answer.zone.empty()) writer.AddStartOfAuthority(answer.zone);
  return writer.Take();
}

}  // namespace

std::optional<Envelope> ReadEnvelope(Bytes message) {
  if (message.size() < kHeaderBytes || message.size() > kMostMessageBytes) return std::nullopt;
  ByteReader reader(message);
  Envelope envelope;
  envelope.id = reader.U16();
  const std::uint16_t flags = reader.U16();
  envelope.response = (flags & 0x8000) != 0;
  envelope.opcode = flags >> 11 & 0xf;
  envelope.truncated = (flags & 0x0200) != 0;
  envelope.rcode = static_cast<Rcode>(flags & 0xf);
  const std::uint16_t questions = reader.U16();
  envelope.answers = reader.U16();
  envelope.authorities = reader.U16();
  envelope.additionals = reader.U16();
  const std::size_t end = EndOfQuestion(message);
  if (questions != 1 || end == 0) return std::nullopt;
  envelope.question = message.subspan(kHeaderBytes, end - kHeaderBytes);
  return envelope;
}

bool SameQuestion(Bytes one, Bytes other) {
  const std::string_view left = AsText(one);
  const std::string_view right = AsText(other);
  return std::equal(left.begin(), left.end(), right.begin(), right.end(), [](char a, char b) {
    return absl::ascii_tolower(a) == absl::ascii_tolower(b);
  });
}

std::size_t Query::udp_bytes() const {
  return edns ? std::max<std::size_t>(edns->udp_bytes, kPlainUdpBytes) : kPlainUdpBytes;
}

Result<Query, Unreadable> ReadQuery(Bytes message) {
  if (message.size() < kHeaderBytes || (message[2] & 0x80) != 0) return Unreadable{};
  if ((message[2] >> 3 & 0xf) != 0) return Unreadable{Rcode::kNotImplemented};
  const std::optional<Envelope> envelope = ReadEnvelope(message);
  // The counts first: c-ares makes room for as many records as a header speaks of.
  if (!envelope || envelope->answers != 0 || envelope->authorities != 0 ||
      envelope->additionals > kMostAdditionals || message.size() > kMostQueryBytes) {
    return Unreadable{Rcode::kFormatError};
  }
  ares_dns_record_t* parsed = nullptr;
  if (ares_dns_parse(message.data(), message.size(), 0, &parsed) != ARES_SUCCESS)
    return Unreadable{Rcode::kFormatError};
  const RecordPtr record(parsed);
  const char* name = nullptr;
  ares_dns_rec_type_t type{};
  ares_dns_class_t klass{};
  if (ares_dns_record_query_get(parsed, 0, &name, &type, &klass) != ARES_SUCCESS)
    return Unreadable{Rcode::kFormatError};
  Query query{.id = envelope->id,
              .recursion_desired = (ares_dns_record_get_flags(parsed) & ARES_FLAG_RD) != 0,
              .asked = name,
              .name = name,
              .type = static_cast<std::uint16_t>(type),
              .klass = static_cast<std::uint16_t>(klass),
              .edns = EdnsOf(*parsed)};
  absl::AsciiStrToLower(&query.name);
  if (query.edns && query.edns->version != 0) return Unreadable{Rcode::kBadVersion};
  return query;
}

std::optional<std::string> WriteAnswer(const Query& query, const Answer& answer, std::size_t most) {
  std::size_t count = std::min(answer.addresses.size(), kMostAddresses);
  std::optional<std::string> written = WriteSome(query, answer, count, false);
  while (written && written->size() > most && count > 0) {
    // Each address takes as much as the others, and the last try says that some are missing.
    const std::size_t each = answer.addresses[0].is_v4() ? 16 : 28;
    const std::size_t excess = (written->size() - most + each - 1) / each;
    count -= std::min(count, excess);
    written = WriteSome(query, answer, count, true);
  }
  if (written && written->size() > most) return std::nullopt;
  return written;
}

std::string WriteRefusal(Bytes query, Rcode rcode) {
  AQ_CHECK(query.size() >= kHeaderBytes);
  const std::optional<Envelope> envelope = ReadEnvelope(query);
  const bool extended = static_cast<unsigned>(rcode) > 0xf;
  std::string text;
  ByteWriter writer(text);
  writer.Raw(query.first(2));
  // QR and RA are set; the opcode and RD are the query's.
  writer.U8(static_cast<std::uint8_t>(0x80U | (query[2] & 0x79U)));
  writer.U8(static_cast<std::uint8_t>(0x80U | (static_cast<unsigned>(rcode) & 0xfU)));
  writer.U16(envelope ? 1 : 0);
  writer.U16(0);
  writer.U16(0);
  writer.U16(extended ? 1 : 0);
  if (envelope) writer.Raw(envelope->question);
  if (extended) {
    constexpr std::uint16_t kOpt = 41;
    writer.U8(0);
    writer.U16(kOpt);
    writer.U16(kPlainUdpBytes);
    writer.U8(static_cast<std::uint8_t>(static_cast<unsigned>(rcode) >> 4));
    writer.U24(0);
    writer.U16(0);
  }
  return text;
}

std::string WithId(Bytes message, std::uint16_t id) {
  std::string copy(AsText(message));
  copy[0] = static_cast<char>(id >> 8);
  copy[1] = static_cast<char>(id & 0xff);
  return copy;
}

std::string_view TypeWord(std::uint16_t type) {
  switch (type) {
    case 1:
      return "a";
    case 2:
      return "ns";
    case 5:
      return "cname";
    case 6:
      return "soa";
    case 12:
      return "ptr";
    case 13:
      return "hinfo";
    case 15:
      return "mx";
    case 16:
      return "txt";
    case 28:
      return "aaaa";
    case 33:
      return "srv";
    case 35:
      return "naptr";
    case 43:
      return "ds";
    case 46:
      return "rrsig";
    case 47:
      return "nsec";
    case 48:
      return "dnskey";
    case 52:
      return "tlsa";
    case 64:
      return "svcb";
    case 65:
      return "https";
    case 255:
      return "any";
    case 257:
      return "caa";
    default:
      return "unknown";
  }
}

}  // namespace aquifer::node::dns
