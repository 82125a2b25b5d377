#include "node-proxy/dns/message.h"

#include "tests/support/catch.h"
#include "tests/unit/node/dns_wire.h"

namespace aquifer::node::dns {
namespace {

using test::DnsQuery;
using test::DnsReply;
using test::ReadReply;

Query Read(const std::string& wire) {
  Result<Query, Unreadable> query = ReadQuery(AsBytes(wire));
  REQUIRE(query.ok());
  return *std::move(query);
}

std::optional<Rcode> Refused(const std::string& wire) {
  const Result<Query, Unreadable> query = ReadQuery(AsBytes(wire));
  REQUIRE_FALSE(query.ok());
  return query.error().rcode;
}

Answer Addresses(std::size_t count) {
  Answer answer;
  for (std::size_t i = 0; i < count; ++i) {
    answer.addresses.push_back(
        Ip::V4(10, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i & 0xff)));
  }
  answer.zone = "cluster.local";
  return answer;
}

TEST_CASE("a query is read with its name in lower case and as it was written") {
  const Query query = Read(DnsQuery({.id = 0x1234, .name = "WWW.Example.com", .type = kTypeAaaa}));
  CHECK(query.id == 0x1234);
  CHECK(query.recursion_desired);
  CHECK(query.asked == "WWW.Example.com");
  CHECK(query.name == "www.example.com");
  CHECK(query.type == kTypeAaaa);
  CHECK(query.klass == kClassIn);
  CHECK_FALSE(query.edns.has_value());
  CHECK(query.udp_bytes() == 512);
}

TEST_CASE("a query of the root is read") { CHECK(Read(DnsQuery({.name = ""})).name.empty()); }

TEST_CASE("a dot inside a label is not one between labels") {
  std::string wire = DnsQuery({.name = "aXb.example.com"});
  wire[wire.find('X')] = '.';
  CHECK(Read(wire).name == "a\\.b.example.com");
}

TEST_CASE("EDNS says how long an answer by datagram may be, and never less than without") {
  CHECK(Read(DnsQuery({.edns_bytes = 1232})).udp_bytes() == 1232);
  CHECK(Read(DnsQuery({.edns_bytes = 100})).udp_bytes() == 512);
}

TEST_CASE("an EDNS version that is none is refused as such") {
  const std::string wire = DnsQuery({.edns_bytes = 1232, .edns_version = 1});
  CHECK(Refused(wire) == Rcode::kBadVersion);
  const DnsReply reply = ReadReply(WriteRefusal(AsBytes(wire), Rcode::kBadVersion));
  CHECK(reply.rcode == static_cast<int>(Rcode::kBadVersion));
}

TEST_CASE("what is no query is not answered") {
  std::string response = DnsQuery({});
  response[2] = static_cast<char>(response[2] | 0x80);
  CHECK_FALSE(Refused(response).has_value());
  CHECK_FALSE(Refused("").has_value());
  CHECK_FALSE(Refused("12345678901").has_value());
}

TEST_CASE("an operation other than a query is refused as one that we have not") {
  std::string update = DnsQuery({});
  update[2] = static_cast<char>(5 << 3);
  CHECK(Refused(update) == Rcode::kNotImplemented);
}

TEST_CASE("a malformed query is a format error") {
  const std::string good = DnsQuery({.name = "www.example.com"});
  const auto with = [&good](std::size_t at, char value) {
    std::string bad = good;
    bad[at] = value;
    return bad;
  };
  CHECK(Refused(with(5, 0)) == Rcode::kFormatError);          // no question
  CHECK(Refused(with(5, 2)) == Rcode::kFormatError);          // two
  CHECK(Refused(with(6, '\x7f')) == Rcode::kFormatError);     // answers
  CHECK(Refused(with(8, '\x7f')) == Rcode::kFormatError);     // authorities
  CHECK(Refused(with(10, '\x7f')) == Rcode::kFormatError);    // more additionals than anybody has
  CHECK(Refused(with(11, 1)) == Rcode::kFormatError);         // one that is not there
  CHECK(Refused(with(12, '\xc0')) == Rcode::kFormatError);    // a name that points at itself
  CHECK(Refused(with(12, 64)) == Rcode::kFormatError);        // a label that is too long
  CHECK(Refused(good.substr(0, 20)) == Rcode::kFormatError);  // cut off
  CHECK(Refused(good + std::string(5000, '\0')) == Rcode::kFormatError);
}

TEST_CASE("a name of more than 255 bytes is a format error") {
  std::string name = "a";
  for (int i = 0; i < 130; ++i) name += ".a";
  CHECK(Refused(DnsQuery({.name = name})) == Rcode::kFormatError);
}

TEST_CASE("a refusal has the query's id and question, and no answer") {
  const std::string wire = DnsQuery({.id = 77, .name = "www.example.com"});
  const DnsReply reply = ReadReply(WriteRefusal(AsBytes(wire), Rcode::kServerFailure));
  CHECK(reply.id == 77);
  CHECK(reply.rcode == static_cast<int>(Rcode::kServerFailure));
  CHECK(reply.recursion_available);
  CHECK(reply.question == "www.example.com");
  CHECK(reply.answers.empty());
}

TEST_CASE("an answer is authoritative, in the spelling of the question, and lives 30 seconds") {
  const Query query = Read(DnsQuery({.id = 9, .name = "Web.Example.com"}));
  const DnsReply reply = ReadReply(*WriteAnswer(query, Addresses(2), 512));
  CHECK(reply.id == 9);
  CHECK(reply.authoritative);
  CHECK(reply.recursion_available);
  CHECK_FALSE(reply.truncated);
  CHECK(reply.question == "Web.Example.com");
  CHECK(reply.answers ==
        std::vector<std::string>{"Web.Example.com 30 A 10.0.0.0", "Web.Example.com 30 A 10.0.0.1"});
  CHECK(reply.authorities.empty());
}

TEST_CASE("an alias comes first, and has the addresses") {
  Answer answer = Addresses(1);
  answer.alias = "www.example.com";
  const Query query = Read(DnsQuery({.name = "www.example.com.ns1.svc.cluster.local"}));
  CHECK(ReadReply(*WriteAnswer(query, answer, 512)).answers ==
        std::vector<std::string>{"www.example.com.ns1.svc.cluster.local 30 CNAME www.example.com",
                                 "www.example.com 30 A 10.0.0.0"});
}

TEST_CASE("nothing of the family is no error, and says how long that holds") {
  const Query query = Read(DnsQuery({.name = "web.cluster.local", .type = kTypeAaaa}));
  const DnsReply reply = ReadReply(*WriteAnswer(query, Addresses(0), 512));
  CHECK(reply.rcode == 0);
  CHECK(reply.answers.empty());
  CHECK(reply.authorities == std::vector<std::string>{"cluster.local 30 SOA"});
}

TEST_CASE("EDNS is answered by EDNS") {
  const Query query = Read(DnsQuery({.edns_bytes = 100, .dnssec_ok = true}));
  const DnsReply reply = ReadReply(*WriteAnswer(query, Addresses(1), query.udp_bytes()));
  CHECK(reply.edns_bytes == 512);
  CHECK(reply.dnssec_ok);
}

TEST_CASE("what does not fit is left out and said to be") {
  const Query query = Read(DnsQuery({.name = "web.example.com"}));
  for (const std::size_t most : {512U, 600U, 1232U}) {
    const std::string wire = *WriteAnswer(query, Addresses(256), most);
    const DnsReply reply = ReadReply(wire);
    CHECK(wire.size() <= most);
    CHECK(wire.size() + 16 > most);
    CHECK(reply.truncated);
  }
  const DnsReply whole = ReadReply(*WriteAnswer(query, Addresses(256), kMostMessageBytes));
  CHECK_FALSE(whole.truncated);
  CHECK(whole.answers.size() == 256);
}

TEST_CASE("an answer never outgrows a message") {
  const Query query = Read(DnsQuery({.name = "web.example.com"}));
  const std::optional<std::string> wire = WriteAnswer(query, Addresses(20'000), kMostMessageBytes);
  REQUIRE(wire.has_value());
  CHECK(wire->size() <= kMostMessageBytes);
}

TEST_CASE("questions are the same whatever their letters' case") {
  const std::string one = DnsQuery({.name = "www.Example.com"});
  const std::string other = DnsQuery({.name = "WWW.example.com"});
  const std::string third = DnsQuery({.name = "www.example.org"});
  const auto question = [](const std::string& wire) {
    return ReadEnvelope(AsBytes(wire))->question;
  };
  CHECK(SameQuestion(question(one), question(other)));
  CHECK_FALSE(SameQuestion(question(one), question(third)));
}

TEST_CASE("another id changes nothing else") {
  const std::string wire = DnsQuery({.id = 1});
  const std::string other = WithId(AsBytes(wire), 0xfffe);
  CHECK(ReadEnvelope(AsBytes(other))->id == 0xfffe);
  CHECK(other.substr(2) == wire.substr(2));
}

TEST_CASE("types are words of a closed list") {
  CHECK(TypeWord(kTypeA) == "a");
  CHECK(TypeWord(33) == "srv");
  CHECK(TypeWord(64'000) == "unknown");
}

}  // namespace
}  // namespace aquifer::node::dns
