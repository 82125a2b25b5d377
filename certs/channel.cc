#include "certs/channel.h"

#include <tuple>

#include "certs/text_source.h"
#include "certs/tls_stream.h"
#include "core/io/resolve.h"
#include "core/io/socket.h"
#include "core/rt/timer.h"

namespace aquifer::certs {
namespace {

Failure Failed(const Error& error, const std::string& what) {
  return Failure{error, what + ": " + Describe(error)};
}

std::string HostOf(const std::string& address) {
  std::string host = address.substr(0, address.rfind(':'));
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  return host;
}

Result<RootBundleRef, Failure> LoadRoots(const std::string& setting) {
  const Result<std::string> pem = RootsFrom(setting)();
  if (!pem) return Failed(pem.error(), "roots " + setting);
  Decoded<RootBundleRef> bundle = RootBundle::FromPem(*pem);
  if (!bundle) return Failure{Error{Reason::kTlsFailed}, "roots: " + bundle.error().ToString()};
  return *std::move(bundle);
}

Result<CertificateBundle, Failure> LoadOwn(const ChannelOptions& options, RootBundleRef roots) {
  const Result<std::string> certificate = RootsFrom(options.certificate)();
  if (!certificate) return Failed(certificate.error(), "our certificate");
  const Result<std::string> key_pem = RootsFrom(options.key)();
  if (!key_pem) return Failed(key_pem.error(), "the key of our certificate");
  Decoded<PrivateKey> key = PrivateKey::FromPem(*key_pem);
  const auto refused = [](const Refusal& why) {
    return Failure{Error{Reason::kTlsFailed}, "our certificate: " + why.ToString()};
  };
  if (!key) return refused(key.error());
  Decoded<CertificateBundle> own =
      CertificateBundle::Make(*std::move(key), std::span(&*certificate, 1), std::move(roots));
  if (!own) return refused(own.error());
  return *std::move(own);
}

Result<TlsContextRef, Failure> ContextFor(const ChannelOptions& options) {
  AQ_TRY(RootBundleRef roots, LoadRoots(options.roots));
  if (options.certificate.empty()) return TlsContext::HostClient(std::move(roots));
  AQ_TRY(const CertificateBundle own, LoadOwn(options, std::move(roots)));
  return TlsContext::HostClient(own);
}

}  // namespace

Channel::~Channel() { AQ_CHECK(tasks_.live() == 0); }

Task<Result<http::H2Connection*, Failure>> Channel::Connect(StopToken stop) {
  while (true) {
    const bool runs = connection_ != nullptr && !connection_->ended() && !dropped_;
    if (runs && connection_->available_streams() > 0) co_return connection_.get();
    if (stop_.requested()) co_return Failed(stop_.token().error(), options_.address);
    if (dialling_) {
      const Status waited = co_await dialled_.Wait(stop);
      if (!waited) co_return Failed(waited.error(), options_.address);
      if (dial_failure_) co_return *dial_failure_;
      continue;
    }
    // One that is ending is still driven by its task: it has to be over before another takes its
    // place.
    if (runs) co_return Failed(Error{Reason::kOverload}, options_.address);
    dialling_ = true;
    dialled_.Reset();
    Result<std::unique_ptr<http::H2Connection>, Failure> made = co_await Dial(stop);
    dial_failure_.reset();
    if (made.ok()) {
      co_await tasks_.Join();
      connection_ = *std::move(made);
      connection_stop_.emplace(stop_.token());
      dropped_ = false;
      tasks_.Spawn(Drive(connection_.get()));
    } else {
      dial_failure_ = made.error();
    }
    // Only now: until the old connection's task has ended, nobody else may start to dial.
    dialling_ = false;
    dialled_.Set();
    if (!made.ok()) co_return made.error();
  }
}

Task<Result<std::unique_ptr<http::H2Connection>, Failure>> Channel::Dial(StopToken stop) {
  TimedStop timed(stop, options_.connect_timeout, Reason::kConnectTimeout);
  const StopToken bounded = timed.token();
  const std::string host = HostOf(options_.address);
  const std::optional<std::uint16_t> port =
      ParsePort(std::string_view(options_.address).substr(options_.address.rfind(':') + 1));
  if (!port) co_return Failure{Error{Reason::kBadRequest}, options_.address + ": no port"};
  AQ_CO_TRY(TlsContextRef context, ContextFor(options_));
  const Result<std::vector<Ip>> addresses = co_await io::Resolve(host, bounded);
  if (!addresses) co_return Failed(addresses.error(), host);
  Result<io::SocketPtr> socket = Error{Reason::kNotFound};
  for (const Ip& ip : *addresses) {
    socket = co_await io::Connect(Address{ip, *port}, bounded);
    if (socket.ok() || timed.token().requested()) break;
  }
  if (!socket) co_return Failed(socket.error(), options_.address);
  io::SetTunnelOptions((*socket)->fd(), options_.keepalive);
  PeerExpectation expectation = HostName{options_.host_name.empty() ? host : options_.host_name};
  Result<TlsStreamPtr, Failure> secure = co_await ClientHandshake(
      *std::move(socket), std::move(context), std::move(expectation), clock_(), bounded);
  if (!secure)
    co_return Failure{secure.error().error, options_.address + ": " + secure.error().detail};
  co_return std::make_unique<http::H2Connection>(http::H2Role::kClient, *std::move(secure),
                                                 options_.h2);
}

Task<void> Channel::Drive(http::H2Connection* connection) {
  std::ignore = co_await connection->Run(connection_stop_->token());
}

http::GrpcCallSpec Channel::CallSpec(std::string path) const {
  http::GrpcCallSpec spec;
  spec.authority = options_.host_name.empty() ? options_.address : options_.host_name;
  spec.path = std::move(path);
  const Result<std::string> token = TokenFrom(options_.token)();
  // Without a token, or with one that cannot be sent, the server says what it misses.
  if (token && !token->empty()) spec.metadata.Add("authorization", "Bearer " + *token);
  if (!options_.cluster_id.empty()) spec.metadata.Add("clusterid", options_.cluster_id);
  for (const auto& [name, value] : options_.headers) spec.metadata.Add(name, value);
  return spec;
}

void Channel::Drop() {
  if (!connection_stop_) return;
  dropped_ = true;
  connection_stop_->RequestStop();
}

Task<void> Channel::Shutdown() {
  stop_.RequestStop();
  co_await tasks_.Join();
}

}  // namespace aquifer::certs
