// What an HTTP/1 reader says about input, as text, for tests; fed whole, byte by byte and cut at
// every offset.
#pragma once

#include <string>
#include <vector>

#include "core/http/h1.h"
#include "tests/support/catch.h"

namespace aquifer::http {

using std::string_literals::operator""s;

// Everything a reader says about `input` as one text, with the body's pieces joined, so that it
// does not depend on where input was cut.
class Transcript {
 public:
  Transcript(H1Role role, const H1Limits& limits)
      : client_(role == H1Role::kClient), reader_(role, limits) {}

  void Feed(std::string_view input) {
    if (tunnel_) text_ += input;
    if (over_) return;
    reader_.Feed(Chunk::CopyOf(input));
    Run();
  }
  std::string Finish() {
    if (!over_) {
      reader_.FeedEnd();
      Run();
    }
    return text_;
  }
  void ExpectNext(std::string_view method) { methods_.emplace_back(method); }

 private:
  void Run() {
    while (!over_) {
      if (reading_response_ && !methods_.empty()) {
        reader_.ExpectResponse(methods_.front(), true);
        methods_.erase(methods_.begin());
        reading_response_ = false;
      }
      const H1Event event = reader_.Next();
      if (event == H1Event::kNeedInput) return;
      if (event != H1Event::kBody) FlushBody();
      Tell(event);
    }
  }
  void FlushBody() {
    if (!body_.empty()) text_ += "body " + body_ + "\n";
    body_.clear();
  }
  void Tell(H1Event event) {
    switch (event) {
      case H1Event::kHead:
        TellHead();
        break;
      case H1Event::kBody:
        body_ += reader_.TakeBody().text();
        break;
      case H1Event::kEnd:
        for (const HeaderField field : reader_.trailers()) Tell("trailer", field);
        text_ += reader_.keep_alive() ? "end\n" : "end close\n";
        reading_response_ = true;
        over_ = !reader_.keep_alive();
        break;
      case H1Event::kTunnel:
        text_ += "tunnel " + std::string(reader_.TakeRest().text());
        over_ = tunnel_ = true;
        break;
      case H1Event::kClosed:
        text_ += "closed\n";
        over_ = true;
        break;
      case H1Event::kError:
        text_ += (reader_.error().truncated ? "truncated " : "error ") +
                 std::to_string(reader_.error().status) + "\n";
        over_ = true;
        break;
      case H1Event::kNeedInput:
        break;
    }
  }
  void TellHead() {
    const BodyLength length = reader_.body();
    static constexpr const char* kKinds[] = {"none", "length", "chunked", "close"};
    if (!client_) {
      const RequestHead head = reader_.TakeRequest();
      text_ += head.method + " [" + head.scheme + "] [" + head.authority + "] [" + head.path + "]";
      for (const HeaderField field : head.headers)
        fields_ += "  " + std::string(field.name) + "=" + std::string(field.value) + "\n";
    } else {
      const ResponseHead head = reader_.TakeResponse();
      text_ += std::to_string(head.status);
      for (const HeaderField field : head.headers)
        fields_ += "  " + std::string(field.name) + "=" + std::string(field.value) + "\n";
    }
    text_ += " "s + kKinds[static_cast<int>(length.kind)];
    if (length.kind == BodyKind::kLength) text_ += std::to_string(length.length);
    if (reader_.expects_continue()) text_ += " continue";
    if (reader_.asks_for_upgrade()) text_ += " upgrade";
    text_ += "\n" + fields_;
    fields_.clear();
  }
  void Tell(std::string_view what, HeaderField field) {
    text_ +=
        std::string(what) + " " + std::string(field.name) + "=" + std::string(field.value) + "\n";
  }

  const bool client_;
  H1Reader reader_;
  std::vector<std::string> methods_;
  bool reading_response_ = true;
  bool over_ = false;
  bool tunnel_ = false;
  std::string text_;
  std::string body_;
  std::string fields_;
};

struct Setup {
  H1Role role = H1Role::kServer;
  std::vector<std::string> methods;  // that responses answer
  H1Limits limits;
};

inline std::string Read(const Setup& setup, const std::vector<std::string_view>& pieces) {
  Transcript transcript(setup.role, setup.limits);
  for (const std::string& method : setup.methods) transcript.ExpectNext(method);
  for (const std::string_view piece : pieces) transcript.Feed(piece);
  return transcript.Finish();
}

// Whole, byte by byte and cut at every offset: the answer must be the same.
inline std::string ReadEveryWay(const Setup& setup, std::string_view input) {
  const std::string whole = Read(setup, {input});
  std::vector<std::string_view> bytes;
  for (std::size_t i = 0; i < input.size(); ++i) bytes.push_back(input.substr(i, 1));
  CHECK(Read(setup, bytes) == whole);
  for (std::size_t i = 1; i < input.size(); ++i) {
    const std::string cut = Read(setup, {input.substr(0, i), input.substr(i)});
    if (cut != whole) {
      INFO("cut at " << i);
      CHECK(cut == whole);
    }
  }
  return whole;
}

inline std::string Requests(std::string_view input, const H1Limits& limits = {}) {
  Setup setup;
  setup.limits = limits;
  return ReadEveryWay(setup, input);
}

inline std::string Responses(std::string_view input, std::vector<std::string> methods = {"GET"}) {
  Setup setup;
  setup.role = H1Role::kClient;
  setup.methods = std::move(methods);
  return ReadEveryWay(setup, input);
}

}  // namespace aquifer::http
