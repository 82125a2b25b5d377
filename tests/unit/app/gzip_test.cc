#include "core/app/gzip.h"

#include <zlib.h>

#include "tests/support/catch.h"

namespace aquifer::app {
namespace {

std::string Unpack(std::string packed) {
  z_stream stream{};
  REQUIRE(inflateInit2(&stream, 15 + 16) == Z_OK);
  std::string out(1 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  CHECK(inflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

}  // namespace

TEST_CASE("what is packed unpacks to the same, and is smaller when it repeats itself") {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "istio_tcp_sent_bytes_total{reporter=\"source\"} 1\n";
  const std::optional<std::string> packed = Gzip(text);
  REQUIRE(packed.has_value());
  CHECK(packed->size() * 10 < text.size());
  CHECK(Unpack(*packed) == text);
  CHECK(Unpack(Gzip("").value()).empty());
}

TEST_CASE("gzip is taken when it is named or anything is, and not when its weight is nothing") {
  CHECK(AcceptsGzip("gzip"));
  CHECK(AcceptsGzip("br;q=1.0, GZIP;q=0.8, *;q=0.1"));
  CHECK(AcceptsGzip("deflate, *"));
  CHECK_FALSE(AcceptsGzip(""));
  CHECK_FALSE(AcceptsGzip("br, zstd"));
  CHECK_FALSE(AcceptsGzip("gzip;q=0"));
  CHECK_FALSE(AcceptsGzip("*, gzip;q=0.0"));
  CHECK_FALSE(AcceptsGzip("gzip;q=much"));
  CHECK_FALSE(AcceptsGzip("xgzip, gzipped"));
}

}  // namespace aquifer::app
