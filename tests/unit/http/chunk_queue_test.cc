#include "core/http/chunk_queue.h"

#include <string>

#include "tests/support/catch.h"

namespace aquifer::http {
namespace {

TEST_CASE("bytes leave a queue in the order they came, whatever the sizes") {
  ChunkQueue queue;
  std::string in;
  std::string out;
  unsigned seed = 7;
  for (int i = 0; i < 20'000; ++i) {
    seed = seed * 1103515245 + 12345;
    const std::string text(seed % 97 == 0 ? 5000 : seed % 40, static_cast<char>('a' + i % 26));
    in += text;
    queue.Push(Chunk::CopyOf(text));
    if (queue.bytes() > 3000) out += queue.PopUpTo(seed % 300 + 1).text();
  }
  while (!queue.empty()) out += queue.Pop().text();
  CHECK(out == in);
  CHECK(queue.bytes() == 0);
}

TEST_CASE("a small slice does not keep a large block alive behind another") {
  ChunkQueue queue;
  const Chunk large = Chunk::CopyOf(std::string(60'000, 'x'));
  queue.Push(large.Slice(0, 10));
  for (std::size_t i = 0; i < 100; ++i) queue.Push(large.Slice(i * 100, 10));
  CHECK(queue.Pop().footprint() >= 60'000);
  std::size_t kept = 0;
  while (!queue.empty()) kept += queue.Pop().footprint();
  CHECK(kept <= 8192);
}

}  // namespace
}  // namespace aquifer::http
