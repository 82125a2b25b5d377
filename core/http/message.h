// The heads of requests and responses, the same whichever version of HTTP carried them, and the
// rules about their parts that a proxy needs (RFC 9110). Strings in a head that came from a reader
// of this folder are valid; what other code puts there is checked again by the writers. Values, any
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/http/header.h"

namespace aquifer::http {

struct RequestHead {
  std::string method;
  std::string
      scheme;  // "http" or "https"; empty for CONNECT, and for an HTTP/1 request that did not say
  std::string authority;  // host[:port]; never in `headers` as host
  std::string path;       // with the query; "*" for the server as a whole; empty for CONNECT
  HeaderList headers;

  friend bool operator==(const RequestHead&, const RequestHead&) = default;
};

struct ResponseHead {
  int status = 0;
  HeaderList headers;

  friend bool operator==(const ResponseHead&, const ResponseHead&) = default;
};

// One of the methods that HTTP/1 is read with here, in their one spelling. Whichever version a
// request came with: a rule about DELETE would not see "delete", which some applications take for
// it.
bool IsMethod(std::string_view text);
// host[:port] without user information: a name or address (brackets around IPv6), a port of digits.
// Not empty.
bool IsAuthority(std::string_view text);
// What may stand in a request line as target: visible ASCII, no '#', not empty.
bool IsRequestTarget(std::string_view text);

// Takes out what concerns one connection only (RFC 9110 section 7.6.1): the fields that Connection
// names, Connection itself and its companions. "te: trailers" stays, the one TE that goes through.
void RemoveHopByHop(HeaderList& headers);
// Whether a field may not stand in trailers because it frames, routes or authorizes the message
// (RFC 9110 section 6.5.1).
bool IsForbiddenTrailer(std::string_view lower_case_name);

// "Not Found"; empty for a status without a registered phrase.
std::string_view ReasonPhrase(int status);
// Responses that never have a body, whatever their fields say (RFC 9110 section 6.4.1).
bool IsBodiless(std::string_view request_method, int status);

}  // namespace aquifer::http
