// What a pod says to the SOCKS port, whole and byte by byte: both ways lead to the same end, and
// nothing behind the request is taken.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/base/check.h"
#include "node-proxy/socks5.h"

namespace {

using aquifer::Bytes;
using aquifer::node::Socks5Name;
using aquifer::node::Socks5Parser;

struct End {
  Socks5Parser::Step step = Socks5Parser::Step::kMore;
  std::size_t used = 0;
  std::string text;
};

End Parse(Bytes all, std::size_t cut) {
  Socks5Parser parser;
  End end;
  while (end.step == Socks5Parser::Step::kMore && end.used < all.size()) {
    Bytes part = all.subspan(end.used, std::min(cut, all.size() - end.used));
    do {
      const std::size_t before = part.size();
      end.step = parser.Next(part);
      end.used += before - part.size();
      if (end.step == Socks5Parser::Step::kGreeted) AQ_CHECK(parser.answer().size() == 2);
    } while (end.step == Socks5Parser::Step::kGreeted);
  }
  if (end.step == Socks5Parser::Step::kRefused) end.text = parser.answer();
  if (end.step != Socks5Parser::Step::kAsked) return end;
  if (const auto* name = std::get_if<Socks5Name>(&parser.destination())) {
    AQ_CHECK(!name->host.empty() && name->host.size() <= 255 && name->port != 0);
    AQ_CHECK(name->host.find('\0') == std::string::npos);
    end.text = name->host + ":" + std::to_string(name->port);
  } else {
    const auto& address = std::get<aquifer::Address>(parser.destination());
    AQ_CHECK(address.port != 0);
    end.text = address.ToString();
  }
  return end;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, size_t size) {
  const Bytes all(data, size);
  const End whole = Parse(all, size == 0 ? 1 : size);
  const End drops = Parse(all, 1);
  AQ_CHECK(whole.step == drops.step);
  AQ_CHECK(whole.text == drops.text);
  AQ_CHECK(whole.used == drops.used);
  AQ_CHECK(whole.used <= 2 + 255 + 262);
  return 0;
}
