// What a SOCKS client says before its bytes flow (RFC 1928): the methods it offers, then what it
// wants. Only CONNECT without authentication is spoken. Bytes in, steps out, no socket; a client is
// a pod, so everything is bounded and checked. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/result.h"

namespace aquifer::node {

struct Socks5Name {
  std::string host;  // lower case, letters, digits, '-', '.' and '_'
  std::uint16_t port = 0;
};

class Socks5Parser {
 public:
  enum class Step : std::uint8_t {
    kMore,     // of the client's bytes
    kGreeted,  // answer() goes to the client, then the next step
    kAsked,    // destination() is known; what comes next is for it
    kRefused,  // answer() goes to the client, unless empty, and then nothing more
  };

  // Takes what it needs from the front of `input`; never a byte behind the request.
  Step Next(Bytes& input);

  std::string_view answer() const { return answer_; }
  // Why, after kRefused.
  std::string_view refusal() const { return refusal_; }
  const std::variant<Address, Socks5Name>& destination() const { return destination_; }

 private:
  enum class Awaiting : std::uint8_t { kMethods, kRequest, kNothing };

  bool Have(std::size_t wanted, Bytes& input);
  std::uint8_t At(std::size_t index) const { return static_cast<std::uint8_t>(buffer_[index]); }
  Step Methods(Bytes& input);
  Step Request(Bytes& input);
  Step TakeDestination(std::uint8_t type, std::string_view host, std::uint16_t port);
  Step Refuse(std::string_view why, std::string answer);

  Awaiting awaiting_ = Awaiting::kMethods;
  std::string buffer_;  // of the message that is being read: at most 262 bytes
  std::string answer_;
  std::string_view refusal_;
  std::variant<Address, Socks5Name> destination_;
};

// The reply to the request: 0 for a connection that is there, else what best says why there is
// none. The address in it is 0.0.0.0:0, for ours would tell the client nothing.
std::string Socks5Reply(const Status& outcome);

}  // namespace aquifer::node
