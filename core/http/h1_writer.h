// The other half of core/http/h1.h: heads, bodies and ends to HTTP/1.1 bytes (RFC 9112). The
// framing fields are the writer's own, so that what is announced is what is sent, and a head that
// could break out of its line is refused. Owned by one connection, on its loop's thread.
#pragma once

#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/http/h1.h"

namespace aquifer::http {

// What a response has to fit to.
struct H1ResponseTo {
  std::string_view method;
  int minor_version = 1;
  bool keep_alive = true;
};

// Appends to `out` what goes to the wire, to be written with Stream::WriteMany. One message at a
// time: head, body, end.
class H1Writer {
 public:
  using Out = std::vector<Chunk>;

  // `head.headers` go out as they are but for host, content-length and transfer-encoding, which are
  // the writer's (hop-by-hop fields are the caller's to remove). kBadRequest when the head cannot
  // be written safely; nothing was written then.
  Status StartRequest(const RequestHead& head, BodyLength body, Out& out);
  // A 1xx may come before the response. For HEAD and 304 a length is told and no body follows. A
  // body until close ends keep-alive.
  Status StartResponse(const ResponseHead& head, BodyLength body, const H1ResponseTo& to, Out& out);
  // kHttpFailed if that is more than the length that was told: the connection has to be closed.
  Status Body(Chunk chunk, Out& out);
  // kHttpFailed if that is less than the length that was told. Trailers go with a chunked body and
  // are left out otherwise.
  Status End(const HeaderList& trailers, Out& out);
  Status End(Out& out);

  // Whether the connection can carry another message after this one.
  bool keep_alive() const { return keep_alive_; }

 private:
  BodyLength body_;
  bool keep_alive_ = true;
  bool discards_body_ = false;
};

}  // namespace aquifer::http
