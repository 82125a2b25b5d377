#include "certs/revocation.h"

#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>

namespace aquifer::certs {
namespace {

using Refused = VerifyRefusal;

constexpr std::size_t kDigestBytes = 32;
constexpr std::size_t kMaxSignatures = 4096;

Refused Revoked(std::string why) {
  return Refused{Reason::kRevoked, SSL_AD_CERTIFICATE_REVOKED, std::move(why)};
}

// The certificates above the leaf, told apart by what they are and not by their names.
std::string FingerprintAboveLeaf(const STACK_OF(X509) * path) {
  std::string all;
  for (std::size_t i = 1; i < sk_X509_num(path); ++i) {
    std::uint8_t digest[kDigestBytes];
    unsigned length = 0;
    AQ_CHECK(X509_digest(sk_X509_value(path, i), EVP_sha256(), digest, &length));
    all.append(AsText({digest, length}));
  }
  return all;
}

bool Names(const Crl& list, const X509* certificate) {
  const std::optional<Serial> serial = Serial::Of(X509_get0_serialNumber(certificate));
  return serial && list.Revokes(*serial);
}

bool HasSignedItself(X509* certificate) {
  const bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(certificate));
  const bool good = key != nullptr && X509_verify(certificate, key.get()) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace

// What stands above the leaves of one issuer, up to a root of ours. Gone with its last connection.
struct Revocations::Watch::Path {
  Path(Revocations& in, std::string fingerprint) : owner(in), key(std::move(fingerprint)) {}
  ~Path() { owner.paths_.erase(key); }

  Revocations& owner;
  const std::string key;
  std::vector<bssl::UniquePtr<X509>> issuers;  // the leaf's first
  CrlSetRef lists;                             // what the next two are of
  std::vector<const Crl*> of_leaf;             // the leaf's issuer signed these
  bool revoked = false;                        // one of `issuers` is
};

Revocations::~Revocations() { AQ_CHECK(watched_ == 0 && paths_.empty()); }

Revocations::Watch::~Watch() { Leave(); }

void Revocations::Watch::Leave() {
  if (linked()) --owner_.watched_;
  Unlink();
  path_.reset();
}

std::optional<Refused> Revocations::Watch::Judge(const STACK_OF(X509) * path, PeerRole role) {
  role_ = role;
  const auto refuse = [&](Refused why) {
    if (owner_.observer_.on_rejected) owner_.observer_.on_rejected(role);
    Leave();
    return std::optional(std::move(why));
  };
  if (owner_.lists_ == nullptr) {
    return refuse({Reason::kTlsFailed, SSL_AD_INTERNAL_ERROR,
                   "the revocation lists cannot be read, so nobody can be trusted"});
  }
  path_ = owner_.PathOf(path);
  leaf_ = Serial::Of(X509_get0_serialNumber(sk_X509_value(path, 0)));
  if (path_->revoked) return refuse(Revoked("a CA of the peer has been revoked"));
  if (IsRevoked(*this)) return refuse(Revoked("the peer's certificate has been revoked"));
  if (!leaf_ && owner_.observer_.on_untracked) owner_.observer_.on_untracked(role);
  if (!linked()) {
    owner_.watches_.PushBack(*this);
    ++owner_.watched_;
  }
  return std::nullopt;
}

void Revocations::SetLists(CrlSetRef lists) {
  lists_ = std::move(lists);
  signatures_.clear();
  if (lists_ == nullptr) return;
  for (const auto& [key, path] : paths_) Examine(*path.lock());
  watches_.ForEach([this](Watch& watch) {
    if (watch.stop_.requested() || !IsRevoked(watch)) return;
    if (observer_.on_rejected) observer_.on_rejected(watch.role_);
    watch.stop_.RequestStop(Reason::kRevoked);
  });
}

bool Revocations::IsRevoked(const Watch& watch) {
  if (watch.path_->revoked) return true;
  const auto& lists = watch.path_->of_leaf;
  return watch.leaf_ && std::any_of(lists.begin(), lists.end(), [&watch](const Crl* list) {
           return list->Revokes(*watch.leaf_);
         });
}

std::shared_ptr<Revocations::Path> Revocations::PathOf(const STACK_OF(X509) * path) {
  std::string key = FingerprintAboveLeaf(path);
  if (const auto found = paths_.find(key); found != paths_.end()) {
    return found->second.lock();  // it takes itself out before it goes
  }
  auto made = std::make_shared<Path>(*this, key);
  for (std::size_t i = 1; i < sk_X509_num(path); ++i) {
    made->issuers.push_back(bssl::UpRef(sk_X509_value(path, i)));
  }
  Examine(*made);
  paths_[std::move(key)] = made;
  return made;
}

void Revocations::Examine(Path& path) {
  path.of_leaf.clear();
  path.revoked = false;
  path.lists = lists_;
  for (std::size_t at = 0; at < lists_->lists().size(); ++at) {
    const Crl& list = lists_->lists()[at];
    for (std::size_t i = 0; i < path.issuers.size(); ++i) {
      if (!IsSigned(at, path, i)) continue;
      X509* const issuer = path.issuers[i].get();
      if (i == 0) path.of_leaf.push_back(&list);
      if (i > 0 && Names(list, path.issuers[i - 1].get())) path.revoked = true;
      if (Names(list, issuer) && HasSignedItself(issuer)) path.revoked = true;
    }
  }
}

bool Revocations::IsSigned(std::size_t list, const Path& path, std::size_t issuer) {
  if (signatures_.size() >= kMaxSignatures) signatures_.clear();
  std::string key = path.key.substr(issuer * kDigestBytes, kDigestBytes) + std::to_string(list);
  const auto [known, added] = signatures_.try_emplace(std::move(key), false);
  if (added) known->second = lists_->lists()[list].IsSignedBy(path.issuers[issuer].get());
  return known->second;
}

}  // namespace aquifer::certs
