// HTTP/1 from a stranger. The first byte chooses the role and how the rest is cut. Whatever way it
// is cut, the same messages must come out, and a head that was accepted must survive being written
// and read again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/check.h"
#include "core/http/h1.h"
#include "core/http/h1_writer.h"

namespace {

using aquifer::AsBytes;
using aquifer::Bytes;
using aquifer::Chunk;
using namespace aquifer::http;

void Tell(std::string& story, const HeaderList& headers) {
  for (const HeaderField field : headers) {
    AQ_CHECK(IsToken(field.name));
    AQ_CHECK(IsFieldValue(field.value));
    story.append(field.name).append("=").append(field.value).append("\n");
  }
}

void CheckRoundTrip(const RequestHead& head) {
  H1Writer writer;
  H1Writer::Out out;
  const aquifer::Status written = writer.StartRequest(head, BodyLength::None(), out);
  AQ_CHECK(written.ok());
  H1Reader again(H1Role::kServer, H1Limits{.max_head_bytes = 1 << 20,
                                           .max_target_bytes = 1 << 19,
                                           .headers = {.max_fields = 1000, .max_bytes = 1 << 20}});
  std::string text;
  for (const Chunk& chunk : out) text += chunk.text();
  again.Feed(Chunk::CopyOf(text));
  AQ_CHECK(again.Next() == H1Event::kHead);
  const RequestHead read = again.TakeRequest();
  AQ_CHECK(read.method == head.method);
  AQ_CHECK(read.authority == head.authority);
  AQ_CHECK(read.path == head.path);
}

std::string Read(H1Role role, Bytes input, std::size_t step) {
  H1Reader reader(role);
  std::string story;
  std::string body;
  bool expect = role == H1Role::kClient;
  bool ended = false;
  while (true) {
    if (expect) reader.ExpectResponse("GET", true);
    expect = false;
    const H1Event event = reader.Next();
    if (event != H1Event::kBody && event != H1Event::kNeedInput)
      story += std::exchange(body, std::string());
    switch (event) {
      case H1Event::kNeedInput:
        AQ_CHECK(!ended);
        ended = input.empty();
        if (ended) {
          reader.FeedEnd();
        } else {
          const std::size_t taken = std::min(step, input.size());
          reader.Feed(Chunk::CopyOf(input.first(taken)));
          input = input.subspan(taken);
        }
        break;
      case H1Event::kHead:
        if (role == H1Role::kServer) {
          const RequestHead head = reader.TakeRequest();
          story.append(head.method)
              .append(" ")
              .append(head.authority)
              .append(head.path)
              .append("\n");
          Tell(story, head.headers);
          CheckRoundTrip(head);
        } else {
          const ResponseHead head = reader.TakeResponse();
          story.append(std::to_string(head.status)).append("\n");
          Tell(story, head.headers);
        }
        break;
      case H1Event::kBody:
        body += reader.TakeBody().text();
        break;
      case H1Event::kEnd:
        Tell(story, reader.trailers());
        if (!reader.keep_alive()) return story + "end";
        expect = role == H1Role::kClient;
        break;
      case H1Event::kTunnel:
        return story + "tunnel";
      case H1Event::kClosed:
        return story + "closed";
      case H1Event::kError:
        AQ_CHECK(reader.error().status >= 400);
        return story + "error";
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const H1Role role = (data[0] & 1) != 0 ? H1Role::kClient : H1Role::kServer;
  const Bytes input(data + 1, size - 1);
  const std::string whole = Read(role, input, size);
  const std::string cut = Read(role, input, 1 + data[0] / 2 % 16);
  AQ_CHECK(whole == cut);
  return 0;
}
