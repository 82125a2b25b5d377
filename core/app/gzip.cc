#include "core/app/gzip.h"

#include <zlib.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace aquifer::app {
namespace {

constexpr int kWindowBits = 15;
constexpr int kGzipHeader = 16;  // added to the window: gzip's frame and not zlib's
constexpr int kMemoryLevel = 8;

double WeightOf(std::string_view parameters) {
  const std::string_view text = absl::StripAsciiWhitespace(parameters);
  double weight = 1;
  if (absl::StartsWithIgnoreCase(text, "q=") && !absl::SimpleAtod(text.substr(2), &weight))
    return 0;
  return weight;
}

}  // namespace

std::optional<std::string> Gzip(std::string_view text) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kWindowBits + kGzipHeader, kMemoryLevel,
                   Z_DEFAULT_STRATEGY) != Z_OK)
    return std::nullopt;
  std::string out(deflateBound(&stream, text.size()), '\0');
  // zlib does not write to its input, whatever its type says.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int done = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (done != Z_STREAM_END) return std::nullopt;
  return out;
}

bool AcceptsGzip(std::string_view accept_encoding) {
  std::optional<bool> any;
  for (const std::string_view each : absl::StrSplit(accept_encoding, ',')) {
    const std::pair<std::string_view, std::string_view> parts =
        absl::StrSplit(each, absl::MaxSplits(';', 1));
    const std::string_view name = absl::StripAsciiWhitespace(parts.first);
    const bool wanted = WeightOf(parts.second) > 0;
    if (absl::EqualsIgnoreCase(name, "gzip")) return wanted;
    if (name == "*") any = wanted;
  }
  return any.value_or(false);
}

}  // namespace aquifer::app
