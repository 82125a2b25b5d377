// One TLS 1.3 connection without a socket or a clock: bytes from the peer in, bytes for the peer
// and plaintext out. certs/tls_stream.h moves the bytes; tests and fuzzers feed them one at a time.
// Input is held back until a record is whole, so that plaintext is sized exactly and the library
// keeps no buffer of its own between calls. One thread, one owner.
#pragma once

#include <openssl/ssl.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "certs/failure.h"
#include "certs/tls_context.h"
#include "certs/verify.h"
#include "core/io/chunk.h"

namespace aquifer::certs {

using TlsFailure = Failure;

class TlsEngine {
 public:
  enum class State {
    kHandshake,
    kOpen,        // authenticated; both directions may still be open, or only one
    kPeerClosed,  // the peer ended its direction; ours may go on
    kFailed,      // see failure(); what is in TakeOutput() may hold the alert for the peer
  };
  enum class Want { kNothing, kInput };

  // `expectation` is not looked at where the context asks for no certificate. `now` is what
  // validity is measured with: a handshake lasts seconds. `judge` is asked in the handshake only.
  TlsEngine(TlsContextRef context, PeerExpectation expectation, WallTime now,
            PathJudge* judge = nullptr);
  TlsEngine(const TlsEngine&) = delete;
  TlsEngine& operator=(const TlsEngine&) = delete;

  // Bytes from the peer, in order. Call Step or Open until they want input before feeding more.
  void Feed(Chunk chunk);
  // The peer's transport ended. Between records that counts as the end of its direction: HTTP/2 has
  // an ending of its own. Inside the handshake or a record it is a failure.
  void FeedEnd();

  // Goes on with the handshake; kNothing once there is nothing more to do for it (look at state()).
  Want Step();

  // The next plaintext, from as many whole records as are there, at most kMaxOpenBytes. Empty:
  // input is wanted, or the state is no longer kOpen.
  Chunk Open();
  // Encrypts all of `plaintext`; the records gather in the output. False after a failure or Close.
  bool Seal(Bytes plaintext);
  // The same for several chunks that follow each other, and lets go of them. Small neighbours share
  // a record, and the few bytes by which a chunk exceeds full records move to the headroom of the
  // next.
  bool SealMany(std::span<Chunk> chunks);
  // Ends our direction with close_notify; the peer's stays open (RFC 8446 section 6.1).
  void Close();

  // What is due for the peer, in order, in few large chunks.
  std::vector<Chunk> TakeOutput();
  bool has_output() const { return !output_.empty(); }

  State state() const { return state_; }
  const Failure& failure() const { return failure_; }
  // Of a mesh peer, once kOpen.
  const std::optional<Identity>& peer() const { return peer_; }
  // What ALPN chose, once kOpen.
  std::string_view protocol() const;
  // Whether our direction was ended by Close.
  bool closed() const { return closed_; }

  // Names for logs and tests: "TLS_AES_256_GCM_SHA384", "X25519MLKEM768".
  std::string_view suite() const;
  std::string_view group() const;

  // Records sealed with one key before it is replaced: RFC 8446 section 5.5 allows AES-GCM about 24
  // million full ones.
  void set_records_per_key(std::uint64_t records) { records_per_key_ = records; }
  // Memory that waiting input keeps alive.
  size_t held_bytes() const;
  // For tests of what the peer may send.
  SSL* ssl() const { return ssl_.get(); }

  static constexpr size_t kMaxOpenBytes = 64 * 1024;

 private:
  static const BIO_METHOD* Method();
  static int ReadInput(BIO* bio, char* out, int length);
  static int WriteOutput(BIO* bio, const char* bytes, int length);
  static long Control(BIO* bio, int command, long number, void* pointer);
  static ssl_verify_result_t Verify(SSL* ssl, std::uint8_t* alert);

  struct Records {
    size_t bytes = 0;            // of whole records at the front of the input
    size_t plaintext_bytes = 0;  // that they hold at most
  };

  void Attach();
  Want FinishHandshake();
  void DropConsumed();
  bool ReadHeader(size_t offset, std::uint8_t (&header)[5]) const;
  std::optional<Records> WholeRecords();
  void CountKeyUpdates(size_t opened_bytes);
  bool MayWrite() const;
  bool CountRecords(size_t plaintext_bytes);
  bool SealBytes(Bytes plaintext);
  void EndOfPeer();
  void Fail(Error error, std::string detail);
  void FailWithAlert(Error error, std::uint8_t alert, std::string detail);
  void FailFromLibrary(int result);

  TlsContextRef context_;
  PeerExpectation expectation_;
  WallTime now_;
  PathJudge* judge_;  // null once the handshake is over
  State state_ = State::kHandshake;
  bool closed_ = false;
  Failure failure_;
  std::optional<Identity> peer_;

  std::vector<Chunk> input_;  // in order; consumed from the front
  size_t input_head_ = 0;     // first chunk of input_ with bytes left
  size_t input_bytes_ = 0;
  size_t readable_bytes_ = 0;  // how much of the input the library may take now

  std::uint64_t opened_bytes_ = 0;
  std::uint64_t read_sequence_ = 0;  // of the next record, with the keys of the last one
  std::uint64_t key_updates_ = 0;

  std::vector<Chunk> output_;
  size_t output_expected_bytes_ = 0;  // what the call at work will write, to size chunks by

  std::uint64_t records_per_key_;
  std::uint64_t records_sealed_ = 0;
  bssl::UniquePtr<SSL> ssl_;  // last: its callbacks use the members above
};

// For logs: "handshake", "open", "peer closed", "failed".
std::string_view StateName(TlsEngine::State state);

}  // namespace aquifer::certs
