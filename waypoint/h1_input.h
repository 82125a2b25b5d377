// Reads HTTP/1.1 events from a stream: core/http/h1.h with the bytes brought by a coroutine. A
// member of the connection, whose stream outlives it. One thread: its Loop's.
#pragma once

#include "core/http/h1.h"
#include "core/io/stream.h"

namespace aquifer::waypoint {

class H1Input {
 public:
  H1Input(io::Stream& stream, http::H1Role role) : stream_(stream), reader_(role) {}

  // Never kNeedInput. An error is the stream's; what is wrong with the bytes is kError.
  Task<Result<http::H1Event>> Next(StopToken stop) {
    while (true) {
      const http::H1Event event = reader_.Next();
      if (event != http::H1Event::kNeedInput) co_return event;
      Result<Chunk> got = co_await stream_.Read(stop);
      if (!got) co_return got.error();
      if (got->empty()) {
        reader_.FeedEnd();
      } else {
        reader_.Feed(*std::move(got));
      }
    }
  }

  http::H1Reader& reader() { return reader_; }
  const http::H1Reader& reader() const { return reader_; }

 private:
  io::Stream& stream_;
  http::H1Reader reader_;
};

}  // namespace aquifer::waypoint
