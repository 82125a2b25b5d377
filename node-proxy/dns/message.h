// DNS messages as the pods' DNS proxy needs them: a query read, an answer of our own written, and
// what has to be known of a message that is passed on as it came. Records are c-ares's affair
// (docs/decisions/0006); headers and questions, which both ways need, are read here. Pure, any
// thread. RFC 1035, 6891 (EDNS), 2308 (negative answers).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/result.h"

namespace aquifer::node::dns {

inline constexpr std::uint16_t kTypeA = 1;
inline constexpr std::uint16_t kTypeAaaa = 28;
inline constexpr std::uint16_t kClassIn = 1;
inline constexpr std::size_t kMostQueryBytes = 4096;
inline constexpr std::size_t kMostMessageBytes = 65'535;

enum class Rcode : std::uint16_t {
  kNoError = 0,
  kFormatError = 1,
  kServerFailure = 2,
  kNameError = 3,
  kNotImplemented = 4,
  kRefused = 5,
  kBadVersion = 16,  // of EDNS
};

// The fixed start of a message, and its question as bytes.
struct Envelope {
  std::uint16_t id = 0;
  bool response = false;
  bool truncated = false;
  std::uint8_t opcode = 0;
  Rcode rcode = Rcode::kNoError;
  std::uint16_t answers = 0;      // as counted in the header
  std::uint16_t authorities = 0;  // likewise
  std::uint16_t additionals = 0;  // likewise
  Bytes question;                 // name, type and class as they were sent; without compression
};

// Nothing unless the message has one whole question.
std::optional<Envelope> ReadEnvelope(Bytes message);
// Whether both ask the same; the case of letters does not count.
bool SameQuestion(Bytes one, Bytes other);

struct Edns {
  std::uint16_t udp_bytes = 0;
  std::uint8_t version = 0;
  std::uint16_t flags = 0;
};

struct Query {
  std::uint16_t id = 0;
  bool recursion_desired = false;
  std::string asked;  // the name as it was written; what is no letter, digit or hyphen is escaped
  std::string name;   // in lower case, without a dot at the end
  std::uint16_t type = 0;
  std::uint16_t klass = 0;
  std::optional<Edns> edns;

  // What an answer by UDP may have.
  std::size_t udp_bytes() const;
};

// What to make of a packet that came as a query.
struct Unreadable {
  // No value: answer nothing, it is no query.
  std::optional<Rcode> rcode;
};
Result<Query, Unreadable> ReadQuery(Bytes message);

// What is known of a name.
struct Answer {
  std::vector<Ip> addresses;  // of the family that was asked for
  std::string alias;          // not empty: an alias of this name, which has the addresses
  std::string zone;           // whose SOA says how long that there is nothing may be remembered
};

// Of at most `most` bytes: what does not fit is left out and said to be. Nothing if the name cannot
// be written.
std::optional<std::string> WriteAnswer(const Query& query, const Answer& answer, std::size_t most);
// Says why there is no answer to `query`, of which at least the header is whole.
std::string WriteRefusal(Bytes query, Rcode rcode);

// Copies of `message` that differ in their id alone.
std::string WithId(Bytes message, std::uint16_t id);

// "a", "aaaa", "srv"; "unknown" where the type has no name here. A closed list: pods choose types.
std::string_view TypeWord(std::uint16_t type);

}  // namespace aquifer::node::dns
