#include "core/io/stream.h"

namespace aquifer::io {

Task<Status> Stream::WriteMany(std::vector<Chunk> chunks, StopToken stop) {
  for (Chunk& chunk : chunks) {
    Status written = co_await Write(std::move(chunk), stop);
    if (!written) co_return written;
  }
  co_return Status();
}

}  // namespace aquifer::io
