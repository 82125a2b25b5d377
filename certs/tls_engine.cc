#include "certs/tls_engine.h"

#include <openssl/bio.h>
#include <openssl/err.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/base/address.h"

namespace aquifer::certs {
namespace {

constexpr size_t kHeaderBytes = 5;
constexpr size_t kPlaintextBytes = 16 * 1024;                  // RFC 8446 section 5.1
constexpr size_t kMaxCiphertextBytes = kPlaintextBytes + 256;  // section 5.2
constexpr size_t kTagBytes = 16;
constexpr size_t kRecordOverhead = kHeaderBytes + 1 + kTagBytes;  // 1: the inner content type
// Output gathers in chunks of this size, which one system call can send.
constexpr size_t kOutputChunkBytes = 64 * 1024;
// A handshake flight, an alert or a KeyUpdate.
constexpr size_t kSmallOutputBytes = 2 * 1024;
constexpr std::uint64_t kRecordsPerKey = std::uint64_t{1} << 23;
// How often a peer may replace its keys: each time costs us more than a small record does.
constexpr std::uint64_t kKeyUpdatesFree = 64;
constexpr std::uint64_t kBytesPerKeyUpdate = 1024 * 1024;
constexpr size_t kMaxDetailBytes = 512;
// Sealing a record costs about as much as copying 4 KiB, so a chunk up to this size is rather
// copied.
constexpr size_t kSmallChunkBytes = 1024;

// What `plaintext_bytes` become on the wire, or a little less when records are cut short.
size_t SealedBytes(size_t plaintext_bytes) {
  return plaintext_bytes + (plaintext_bytes / kPlaintextBytes + 1) * kRecordOverhead;
}

// Gathers what is too small for a record of its own.
class SmallBytes {
 public:
  bool empty() const { return size_ == 0; }
  Bytes bytes() const { return {bytes_, size_}; }
  void Clear() { size_ = 0; }
  // False, and nothing taken, when there is no room.
  bool Append(Bytes more) {
    if (more.size() > sizeof bytes_ - size_) return false;
    if (!more.empty()) std::memcpy(bytes_ + size_, more.data(), more.size());
    size_ += more.size();
    return true;
  }

 private:
  std::uint8_t bytes_[4 * kSmallChunkBytes];
  size_t size_ = 0;
};

TlsEngine* EngineOf(BIO* bio) { return static_cast<TlsEngine*>(BIO_get_data(bio)); }

bssl::UniquePtr<BIO_METHOD> NewMethod(int (*read)(BIO*, char*, int),
                                      int (*write)(BIO*, const char*, int),
                                      long (*control)(BIO*, int, long, void*)) {
  bssl::UniquePtr<BIO_METHOD> method(BIO_meth_new(0, "tls engine"));
  AQ_CHECK(method != nullptr);
  AQ_CHECK(BIO_meth_set_read(method.get(), read));
  AQ_CHECK(BIO_meth_set_write(method.get(), write));
  AQ_CHECK(BIO_meth_set_ctrl(method.get(), control));
  return method;
}

// The oldest entry says what went wrong first; later ones are its consequences.
std::string LibraryDetail() {
  const std::uint32_t code = ERR_peek_error();
  if (code == 0) return "failed without a reason given";
  if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) > SSL_AD_REASON_OFFSET) {
    return absl::StrCat("the peer sent alert \"",
                        SSL_alert_desc_string_long(ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET),
                        "\"");
  }
  const char* reason = ERR_reason_error_string(code);
  return reason == nullptr ? absl::StrCat("error ", code) : std::string(reason);
}

}  // namespace

std::string_view StateName(TlsEngine::State state) {
  switch (state) {
    case TlsEngine::State::kHandshake:
      return "handshake";
    case TlsEngine::State::kOpen:
      return "open";
    case TlsEngine::State::kPeerClosed:
      return "peer closed";
    case TlsEngine::State::kFailed:
      return "failed";
  }
  return "";
}

TlsEngine::TlsEngine(TlsContextRef context, PeerExpectation expectation, WallTime now,
                     PathJudge* judge)
    : context_(std::move(context)),
      expectation_(std::move(expectation)),
      now_(now),
      judge_(judge),
      records_per_key_(kRecordsPerKey),
      ssl_(SSL_new(context_->get())) {
  AQ_CHECK(ssl_ != nullptr);
  Attach();
  if (context_->is_server()) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
  }
  // Addresses are not server names (RFC 6066 section 3), and mesh peers have no name but their own.
  const auto* host = std::get_if<HostName>(&expectation_);
  if (!context_->is_server() && host != nullptr && !Ip::Parse(host->name)) {
    SSL_set_tlsext_host_name(ssl_.get(), host->name.c_str());
    ERR_clear_error();  // a name that is none will not match a certificate either
  }
}

void TlsEngine::Attach() {
  bssl::UniquePtr<BIO> bio(BIO_new(Method()));
  AQ_CHECK(bio != nullptr);
  BIO_set_data(bio.get(), this);
  BIO_set_init(bio.get(), 1);
  SSL_set_bio(ssl_.get(), bio.get(), bio.get());
  bio.release();  // one reference serves both directions
  AQ_CHECK(SSL_set_app_data(ssl_.get(), this));
  SSL_set_shed_handshake_config(ssl_.get(), 1);
  int mode = SSL_VERIFY_NONE;
  if (context_->peer_certificate() != PeerCertificate::kNone) mode = SSL_VERIFY_PEER;
  if (context_->peer_certificate() == PeerCertificate::kRequired) {
    mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  }
  SSL_set_custom_verify(ssl_.get(), mode, &Verify);
}

// --- the library's side: reads from input_, writes to output_ ------------------------------------

const BIO_METHOD* TlsEngine::Method() {
  static const bssl::UniquePtr<BIO_METHOD> method = NewMethod(&ReadInput, &WriteOutput, &Control);
  return method.get();
}

int TlsEngine::ReadInput(BIO* bio, char* out, int length) {
  BIO_clear_retry_flags(bio);
  TlsEngine& engine = *EngineOf(bio);
  const size_t wanted = std::min(static_cast<size_t>(std::max(length, 0)), engine.readable_bytes_);
  size_t copied = 0;
  while (copied < wanted) {
    Chunk& front = engine.input_[engine.input_head_];
    const size_t step = std::min(front.size(), wanted - copied);
    std::memcpy(out + copied, front.data(), step);
    front.RemovePrefix(step);
    copied += step;
    if (front.empty()) {
      front = Chunk();
      ++engine.input_head_;
    }
  }
  engine.input_bytes_ -= copied;
  engine.readable_bytes_ -= copied;
  if (copied > 0) return static_cast<int>(copied);
  BIO_set_retry_read(bio);
  return -1;
}

int TlsEngine::WriteOutput(BIO* bio, const char* bytes, int length) {
  BIO_clear_retry_flags(bio);
  TlsEngine& engine = *EngineOf(bio);
  Bytes left = AsBytes(std::string_view(bytes, static_cast<size_t>(std::max(length, 0))));
  while (!left.empty()) {
    if (engine.output_.empty() || engine.output_.back().writable().empty()) {
      const size_t expected = std::max(engine.output_expected_bytes_, left.size());
      engine.output_.push_back(Chunk::Allocate(std::min(expected, kOutputChunkBytes)));
    }
    Chunk& back = engine.output_.back();
    const Bytes step = left.first(std::min(left.size(), back.writable().size()));
    back.Append(step);
    left = left.subspan(step.size());
    engine.output_expected_bytes_ -= std::min(engine.output_expected_bytes_, step.size());
  }
  return length;
}

long TlsEngine::Control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;  // what is written is already where it belongs
}

ssl_verify_result_t TlsEngine::Verify(SSL* ssl, std::uint8_t* alert) {
  TlsEngine& engine = *static_cast<TlsEngine*>(SSL_get_app_data(ssl));
  const PeerRole role = engine.context_->is_server() ? PeerRole::kClient : PeerRole::kServer;
  auto verdict = VerifyPeer(SSL_get0_peer_certificates(ssl), engine.context_->roots(), role,
                            engine.expectation_, engine.now_, engine.judge_);
  if (verdict) {
    engine.peer_ = *std::move(verdict);
    return ssl_verify_ok;
  }
  *alert = verdict.error().alert;
  // Kept until the library returns, which then says only that verification failed.
  engine.failure_ = {Error{verdict.error().reason}, verdict.error().why};
  return ssl_verify_invalid;
}

// --- handshake -----------------------------------------------------------------------------------

void TlsEngine::Feed(Chunk chunk) {
  if (chunk.empty() || state_ == State::kFailed || state_ == State::kPeerClosed) return;
  DropConsumed();
  input_bytes_ += chunk.size();
  // A peer that sends a record in crumbs must not make us keep a read buffer for each of them.
  const bool sparse = chunk.size() * 4 <= chunk.footprint();
  if (sparse && !input_.empty() && input_.back().writable().size() >= chunk.size()) {
    input_.back().Append(chunk.bytes());
    return;
  }
  input_.push_back(std::move(chunk));
}

size_t TlsEngine::held_bytes() const {
  size_t held = 0;
  for (const Chunk& chunk : input_) held += chunk.footprint();
  return held;
}

void TlsEngine::DropConsumed() {
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(input_head_));
  input_head_ = 0;
}

void TlsEngine::FeedEnd() {
  if (state_ == State::kHandshake) {
    Fail(Error{Reason::kPeerClosed}, "the peer closed the connection during the handshake");
  } else if (state_ == State::kOpen && input_bytes_ > 0) {
    Fail(Error{Reason::kPeerClosed}, "the peer closed the connection inside a record");
  } else if (state_ == State::kOpen) {
    EndOfPeer();
  }
}

TlsEngine::Want TlsEngine::Step() {
  if (state_ != State::kHandshake) return Want::kNothing;
  // During the handshake the library takes what it needs and leaves the rest.
  readable_bytes_ = input_bytes_;
  output_expected_bytes_ = kSmallOutputBytes;
  const int result = SSL_do_handshake(ssl_.get());
  readable_bytes_ = 0;
  if (result == 1) return FinishHandshake();
  if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ) return Want::kInput;
  FailFromLibrary(result);
  return Want::kNothing;
}

TlsEngine::Want TlsEngine::FinishHandshake() {
  const std::string_view chosen = protocol();
  const auto& allowed = context_->protocols();
  if (std::find(allowed.begin(), allowed.end(), chosen) == allowed.end()) {
    FailWithAlert(Error{Reason::kTlsFailed}, SSL_AD_NO_APPLICATION_PROTOCOL,
                  absl::StrCat("ALPN did not choose ", allowed.front()));
    return Want::kNothing;
  }
  expectation_ = OneOf{};
  judge_ = nullptr;
  state_ = State::kOpen;
  return Want::kNothing;
}

// --- records -------------------------------------------------------------------------------------

bool TlsEngine::ReadHeader(size_t offset, std::uint8_t (&header)[5]) const {
  size_t filled = 0;
  for (size_t i = input_head_; i < input_.size() && filled < kHeaderBytes; ++i) {
    const Bytes bytes = input_[i].bytes();
    if (offset >= bytes.size()) {
      offset -= bytes.size();
      continue;
    }
    const size_t step = std::min(bytes.size() - offset, kHeaderBytes - filled);
    std::memcpy(header + filled, bytes.data() + offset, step);
    filled += step;
    offset = 0;
  }
  return filled == kHeaderBytes;
}

// Empty after a failure: a record that may not be that long.
std::optional<TlsEngine::Records> TlsEngine::WholeRecords() {
  Records records;
  std::uint8_t header[kHeaderBytes];
  while (ReadHeader(records.bytes, header)) {
    const size_t body = size_t{header[3]} << 8 | header[4];
    if (body > kMaxCiphertextBytes) {
      if (records.bytes > 0) break;  // what came before it is good
      FailWithAlert(Error{Reason::kTlsFailed}, SSL_AD_RECORD_OVERFLOW, "a record is too long");
      return std::nullopt;
    }
    if (records.bytes + kHeaderBytes + body > input_bytes_) break;
    const size_t plaintext = body - std::min(body, kTagBytes + 1);
    if (records.bytes > 0 && records.plaintext_bytes + plaintext > kMaxOpenBytes) break;
    records.bytes += kHeaderBytes + body;
    records.plaintext_bytes += plaintext;
  }
  return records;
}

Chunk TlsEngine::Open() {
  while (state_ == State::kOpen) {
    const std::optional<Records> records = WholeRecords();
    if (!records || records->bytes == 0) return Chunk();
    readable_bytes_ = records->bytes;
    // Handshake messages and alerts need a byte of room too, or nothing would be read for them.
    Chunk plaintext = Chunk::Allocate(std::max<size_t>(records->plaintext_bytes, 1));
    int got = 0;
    do {
      const auto room = plaintext.writable();
      got = SSL_read(ssl_.get(), room.data(), static_cast<int>(room.size()));
      if (got > 0) plaintext.Grow(static_cast<size_t>(got));
      AQ_CHECK(SSL_pending(ssl_.get()) == 0);  // each record found room whole
      if (got > 0) CountKeyUpdates(static_cast<size_t>(got));
      if (state_ != State::kOpen) return plaintext;
      // Room can be used up with only empty records left: they wait for the next call.
    } while (got > 0 && readable_bytes_ > 0 && !plaintext.writable().empty());
    if (got <= 0) {
      const int error = SSL_get_error(ssl_.get(), got);
      if (error == SSL_ERROR_ZERO_RETURN) {
        EndOfPeer();
      } else if (error != SSL_ERROR_WANT_READ) {
        FailFromLibrary(got);
      }
    }
    readable_bytes_ = 0;
    if (!plaintext.empty()) return plaintext;
  }
  return Chunk();
}

// A read that gave bytes took in a record, so the record number grew unless a KeyUpdate reset it.
// The library bounds KeyUpdates in a row, not those with a byte of data between them.
void TlsEngine::CountKeyUpdates(size_t opened_bytes) {
  const std::uint64_t sequence = SSL_get_read_sequence(ssl_.get());
  opened_bytes_ += opened_bytes;
  if (sequence <= read_sequence_) ++key_updates_;
  read_sequence_ = sequence;
  if (key_updates_ > kKeyUpdatesFree + opened_bytes_ / kBytesPerKeyUpdate) {
    FailWithAlert(Error{Reason::kTlsFailed}, SSL_AD_UNEXPECTED_MESSAGE, "too many KeyUpdates");
  }
}

bool TlsEngine::CountRecords(size_t plaintext_bytes) {
  records_sealed_ += (plaintext_bytes + kPlaintextBytes - 1) / kPlaintextBytes;
  if (records_sealed_ <= records_per_key_) return true;
  records_sealed_ = 0;
  return SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED) == 1;
}

bool TlsEngine::MayWrite() const {
  return (state_ == State::kOpen || state_ == State::kPeerClosed) && !closed_;
}

bool TlsEngine::Seal(Bytes plaintext) {
  if (!MayWrite()) return false;
  output_expected_bytes_ = SealedBytes(plaintext.size());
  return SealBytes(plaintext);
}

bool TlsEngine::SealMany(std::span<Chunk> chunks) {
  if (!MayWrite()) return false;
  output_expected_bytes_ = 0;
  for (const Chunk& chunk : chunks) output_expected_bytes_ += SealedBytes(chunk.size());
  SmallBytes gathered;
  for (size_t i = 0; i < chunks.size(); ++i) {
    Chunk chunk = std::exchange(chunks[i], Chunk());
    if (!gathered.empty() && chunk.Prepend(gathered.bytes())) gathered.Clear();
    if (chunk.size() <= kSmallChunkBytes && gathered.Append(chunk.bytes())) continue;
    if (!SealBytes(gathered.bytes())) return false;
    gathered.Clear();
    if (chunk.size() <= kSmallChunkBytes) {
      AQ_CHECK(gathered.Append(chunk.bytes()));
      continue;
    }
    const size_t excess = i + 1 < chunks.size() ? chunk.size() % kPlaintextBytes : 0;
    const size_t carried = excess <= Block::kHeadroom && excess < chunk.size() ? excess : 0;
    if (!SealBytes(chunk.bytes().first(chunk.size() - carried))) return false;
    AQ_CHECK(gathered.Append(chunk.bytes().last(carried)));
  }
  return SealBytes(gathered.bytes());
}

bool TlsEngine::SealBytes(Bytes plaintext) {
  if (plaintext.empty()) return true;
  if (!CountRecords(plaintext.size())) {
    FailFromLibrary(-1);
    return false;
  }
  while (!plaintext.empty()) {
    const size_t step = std::min<size_t>(plaintext.size(), std::numeric_limits<int>::max());
    const int written = SSL_write(ssl_.get(), plaintext.data(), static_cast<int>(step));
    if (written <= 0) {
      FailFromLibrary(written);
      return false;
    }
    plaintext = plaintext.subspan(static_cast<size_t>(written));
  }
  return true;
}

void TlsEngine::Close() {
  if (!MayWrite()) return;
  closed_ = true;
  output_expected_bytes_ = kSmallOutputBytes;
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

std::vector<Chunk> TlsEngine::TakeOutput() { return std::exchange(output_, {}); }

std::string_view TlsEngine::protocol() const {
  const std::uint8_t* chosen = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl_.get(), &chosen, &length);
  return AsText({chosen, length});
}

std::string_view TlsEngine::suite() const {
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_.get());
  return cipher == nullptr ? "" : SSL_CIPHER_standard_name(cipher);
}

std::string_view TlsEngine::group() const {
  const char* name = SSL_get_group_name(SSL_get_group_id(ssl_.get()));
  return name == nullptr ? "" : name;
}

// --- endings -------------------------------------------------------------------------------------

void TlsEngine::EndOfPeer() {
  state_ = State::kPeerClosed;
  input_.clear();  // nothing behind close_notify counts
  input_head_ = 0;
  input_bytes_ = 0;
}

void TlsEngine::Fail(Error error, std::string detail) {
  state_ = State::kFailed;
  if (detail.size() > kMaxDetailBytes) detail.resize(kMaxDetailBytes);
  failure_ = {error, std::move(detail)};
  input_.clear();
  input_head_ = 0;
  input_bytes_ = 0;
  readable_bytes_ = 0;
  ERR_clear_error();
}

void TlsEngine::FailWithAlert(Error error, std::uint8_t alert, std::string detail) {
  output_expected_bytes_ = kSmallOutputBytes;
  SSL_send_fatal_alert(ssl_.get(), alert);
  Fail(error, std::move(detail));
}

void TlsEngine::FailFromLibrary(int result) {
  // A refusal by Verify came first; the library's own words would only hide it.
  if (failure_.error.reason != Reason::kOk) {
    Fail(failure_.error, std::move(failure_.detail));
    return;
  }
  const int error = SSL_get_error(ssl_.get(), result);
  std::string detail = error == SSL_ERROR_SSL ? LibraryDetail() : SSL_error_description(error);
  Fail(Error{Reason::kTlsFailed}, std::move(detail));
}

}  // namespace aquifer::certs
