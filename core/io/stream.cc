#include "core/io/stream.h"

#include "core/rt/event.h"

namespace aquifer::io {

Task<Status> Stream::WriteMany(std::vector<Chunk> chunks, StopToken stop) {
  for (Chunk& chunk : chunks) {
    Status written = co_await Write(std::move(chunk), stop);
    if (!written) co_return written;
  }
  co_return Status();
}

Task<Status> Stream::WaitBroken(StopToken stop) {
  Event never;
  co_return co_await never.Wait(stop);
}

}  // namespace aquifer::io
