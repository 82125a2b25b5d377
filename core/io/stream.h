// Stream: bytes in both directions with half-close and reset, whatever carries them: a TCP socket,
// TLS, an HTTP/2 stream. One reader and one writer at a time. A Stream is destroyed only when no
// call on it is outstanding; destruction closes it. One thread: its Loop's.
#pragma once

#include <memory>
#include <vector>

#include "core/base/result.h"
#include "core/io/chunk.h"
#include "core/rt/stop.h"
#include "core/rt/task.h"

namespace aquifer::io {

class Stream {
 public:
  virtual ~Stream() = default;

  // The next bytes, at least one; an empty Chunk when the peer has ended its direction (FIN,
  // END_STREAM). After an error or the end no further Read is made.
  virtual Task<Result<Chunk>> Read(StopToken stop) = 0;

  // Takes all of `chunk`. Returns when it may be followed by more: back-pressure is a Write that
  // takes its time.
  virtual Task<Status> Write(Chunk chunk, StopToken stop) = 0;

  // Several chunks in one go, in order; fewer system calls where the carrier can gather.
  virtual Task<Status> WriteMany(std::vector<Chunk> chunks, StopToken stop);

  // Ends our direction after what was written: FIN, END_STREAM. The other direction stays open.
  virtual Task<Status> ShutdownWrite(StopToken stop) = 0;

  // For who has read the end and waits for others: a reset by the peer would be seen by nobody
  // until the next write. An error when the peer has reset the stream, ok when there is nothing
  // more to watch for, the stop's reason before that. Beside writes, not beside a Read.
  virtual Task<Status> WaitBroken(StopToken stop);

  // Marks the stream as broken: its destruction resets (RST, RST_STREAM CANCEL) where it would have
  // closed.
  virtual void Reset() = 0;
};

using StreamPtr = std::unique_ptr<Stream>;

}  // namespace aquifer::io
