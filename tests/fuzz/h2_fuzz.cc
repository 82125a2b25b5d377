// HTTP/2 from a stranger, to a server or a client session that answers, sends, consumes and resets
// as the input's first bytes tell. What the session believes of its streams must agree with what it
// said about them.
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/base/check.h"
#include "core/http/h2_session.h"

namespace {

using aquifer::Bytes;
using aquifer::Chunk;
using aquifer::TimePoint;
using namespace aquifer::http;

class Watcher final : public H2Events {
 public:
  struct Seen {
    std::size_t unread = 0;
    bool ended = false;
    bool answered = false;
  };

  void OnRequest(std::int32_t id, RequestHead head, EndStream) override {
    AQ_CHECK(streams.find(id) == streams.end());
    AQ_CHECK(IsToken(head.method));
    AQ_CHECK(head.authority.empty() || IsAuthority(head.authority));
    AQ_CHECK(!head.headers.Has("host"));
    streams[id] = Seen();
  }
  void OnResponse(std::int32_t id, ResponseHead head, EndStream) override {
    AQ_CHECK(streams.find(id) != streams.end());
    AQ_CHECK(head.status >= 200 && head.status < 1000);
    AQ_CHECK(!std::exchange(streams[id].answered, true));
  }
  void OnData(std::int32_t id, Chunk data) override {
    AQ_CHECK(!data.empty());
    const auto stream = streams.find(id);
    if (stream == streams.end()) return;  // of a request that the session refused by itself
    AQ_CHECK(!stream->second.ended);
    stream->second.unread += data.size();
  }
  void OnTrailers(std::int32_t, HeaderList) override {}
  void OnEnd(std::int32_t id) override {
    const auto stream = streams.find(id);
    if (stream != streams.end()) AQ_CHECK(!std::exchange(stream->second.ended, true));
  }
  void OnTaken(std::int32_t) override {}
  void OnClosed(std::int32_t id, std::uint32_t) override { streams.erase(id); }
  void OnGoAway(std::int32_t, std::uint32_t) override {}

  std::map<std::int32_t, Seen> streams;
};

void React(H2Session& session, H2Role role, Watcher& watcher, unsigned mood, TimePoint now) {
  std::vector<std::int32_t> ids;
  for (const auto& [id, seen] : watcher.streams) ids.push_back(id);
  for (const std::int32_t id : ids) {
    const auto stream = watcher.streams.find(id);
    if (stream == watcher.streams.end()) continue;
    if ((mood & 1) != 0) session.Consume(id, std::exchange(stream->second.unread, 0), now);
    if (role == H2Role::kServer && !stream->second.answered) {
      stream->second.answered = true;
      static_cast<void>(session.Respond(id, ResponseHead{200, {}},
                                        (mood & 2) != 0 ? EndStream::kYes : EndStream::kNo));
    }
    session.Send(id, Chunk::CopyOf(std::string((mood & 4) != 0 ? 20'000 : 10, 'x')));
    if ((mood & 8) != 0) session.End(id);
    if ((mood & 16) != 0) session.ResetAfterOutput(id, 0);
    if ((mood & 32) != 0) session.Reset(id, NGHTTP2_CANCEL);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const H2Role role = (data[0] & 1) != 0 ? H2Role::kClient : H2Role::kServer;
  const unsigned mood = data[1];
  const std::size_t step = (data[0] & 2) != 0 ? 1 + data[2] : size;
  H2Settings settings;
  settings.max_concurrent_streams = 10;
  settings.stream_window_bytes = 40'000;
  Watcher watcher;
  H2Session session(role, settings, watcher);
  TimePoint now = TimePoint{} + std::chrono::hours(1);
  if (role == H2Role::kClient) {
    for (int i = 0; i < 3; ++i) {
      RequestHead head;
      head.method = "CONNECT";
      head.authority = "10.0.0.1:80";
      const aquifer::Result<std::int32_t> id = session.Request(head, EndStream::kNo);
      if (id.ok()) watcher.streams[*id] = {};
    }
  }
  Bytes input(data + 3, size - 3);
  while (!input.empty()) {
    const std::size_t taken = std::min(step, input.size());
    const aquifer::Status fed = session.Feed(Chunk::CopyOf(input.first(taken)), now);
    input = input.subspan(taken);
    if (fed) React(session, role, watcher, mood, now);
    while (!session.TakeOutput(30'000).empty()) continue;
    if (!fed) break;
    now += std::chrono::milliseconds(1);
  }
  AQ_CHECK(watcher.streams.size() <= session.open_streams());
  return 0;
}
