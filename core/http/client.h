// A tiny HTTP/1.1 client, one request a connection, whole and bounded: for the command line, probes
// and tests. One thread: its Loop's.
#pragma once

#include <chrono>
#include <string>

#include "core/base/address.h"
#include "core/http/message.h"
#include "core/io/stream.h"

namespace aquifer::http {

struct ClientRequest {
  std::string method = "GET";
  std::string authority = "localhost";
  std::string path = "/";
  HeaderList headers;
  std::string body;
};

struct ClientResponse {
  int status = 0;
  HeaderList headers;
  std::string body;
};

struct ClientOptions {
  std::size_t max_body_bytes = 64 * 1024 * 1024;
  std::chrono::milliseconds timeout = std::chrono::seconds(10);  // for the whole exchange
};

// Sends `request` over `stream`, which is of no further use, and reads the response. kTimeout,
// kHttpFailed, kPeerClosed, kOverload (the body is larger than allowed), or the stream's error.
Task<Result<ClientResponse>> Exchange(io::Stream& stream, ClientRequest request,
                                      ClientOptions options, StopToken stop);

// Dials, then the same.
Task<Result<ClientResponse>> Fetch(Address address, ClientRequest request, ClientOptions options,
                                   StopToken stop);

}  // namespace aquifer::http
