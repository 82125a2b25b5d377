// Ends of an HTTP/2 connection without a socket, for tests: a session, what it says in events and
// in frames.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/http/h2_session.h"
#include "tests/support/catch.h"
#include "tests/unit/http/h2_frames.h"

namespace aquifer::http {

using test::Fields;
using test::Frame;
using test::U32;

inline const TimePoint kStart = TimePoint{} + std::chrono::hours(1);

// Writes down everything a session says, with the pieces of a body joined.
class Recorder final : public H2Events {
 public:
  void OnRequest(std::int32_t id, RequestHead head, EndStream end) override {
    Line(id) += head.method + " " + head.scheme + " " + head.authority + " " + head.path +
                Tell(head.headers) + Tell(end) + "\n";
    arrived.push_back(id);
  }
  void OnResponse(std::int32_t id, ResponseHead head, EndStream end) override {
    Line(id) += std::to_string(head.status) + Tell(head.headers) + Tell(end) + "\n";
  }
  void OnData(std::int32_t id, Chunk data) override {
    bodies[id] += data.text();
    last = std::move(data);
  }
  void OnTrailers(std::int32_t id, HeaderList trailers) override {
    Line(id) += "trailers" + Tell(trailers) + "\n";
  }
  void OnEnd(std::int32_t id) override { Line(id) += "end\n"; }
  void OnTaken(std::int32_t) override { ++taken; }
  void OnClosed(std::int32_t id, std::uint32_t code) override {
    Line(id) += "closed " + std::to_string(code) + "\n";
  }
  void OnGoAway(std::int32_t last_stream, std::uint32_t code) override {
    text += "goaway " + std::to_string(last_stream) + " " + std::to_string(code) + "\n";
  }

  std::string Story() {
    for (const auto& [id, body] : bodies) text += "body " + std::to_string(id) + " " + body + "\n";
    bodies.clear();
    return text;
  }

  std::string text;
  std::map<std::int32_t, std::string> bodies;
  std::vector<std::int32_t> arrived;
  Chunk last;
  int taken = 0;

 private:
  std::string& Line(std::int32_t id) { return text.append(std::to_string(id)).append(" "); }
  static std::string Tell(const HeaderList& headers) {
    std::string told;
    for (const HeaderField field : headers)
      told += " " + std::string(field.name) + "=" + std::string(field.value);
    return told;
  }
  static std::string Tell(EndStream end) { return end == EndStream::kYes ? " fin" : ""; }
};

struct Peer {
  explicit Peer(H2Role role, const H2Settings& settings = {}) : session(role, settings, events) {}

  Status Feed(std::string_view input) { return session.Feed(Chunk::CopyOf(input), now); }
  std::string Output() {
    std::string all;
    while (true) {
      const std::vector<Chunk> out = session.TakeOutput(64 * 1024);
      if (out.empty()) return all;
      for (const Chunk& chunk : out) all += chunk.text();
    }
  }
  std::string Frames() { return test::Describe(Output()); }

  Recorder events;
  H2Session session;
  TimePoint now = kStart;
};

// A server that has had its peer's preface and has said its own.
struct Server : Peer {
  explicit Server(const H2Settings& settings = {}) : Peer(H2Role::kServer, settings) {
    REQUIRE(Feed(test::ClientHello() + Frame(test::kSettings, test::kAck, 0, "")));
    Output();
  }
};

// The two ends joined; what one says the other hears until both are silent.
struct Joined {
  explicit Joined(const H2Settings& settings = {})
      : client(H2Role::kClient, settings), server(H2Role::kServer, settings) {
    Exchange();
  }
  std::size_t Exchange() {
    std::size_t moved = 0;
    while (true) {
      const std::string up = client.Output();
      const std::string down = server.Output();
      if (up.empty() && down.empty()) return moved;
      moved += up.size() + down.size();
      if (!up.empty()) REQUIRE(server.Feed(up));
      if (!down.empty()) REQUIRE(client.Feed(down));
    }
  }
  std::int32_t Open() {
    RequestHead head;
    head.method = "CONNECT";
    head.authority = "10.0.0.1:80";
    const Result<std::int32_t> id = client.session.Request(head, EndStream::kNo);
    REQUIRE(id.ok());
    Exchange();
    REQUIRE(server.session.Respond(*id, ResponseHead{200, {}}, EndStream::kNo));
    Exchange();
    return *id;
  }

  Peer client;
  Peer server;
};

}  // namespace aquifer::http
