// Which peers have been revoked, as one worker sees it: looked at in each handshake and, when the
// lists change, again for every connection that lives. Of a connection stays the serial number of
// its leaf and a reference to the certificates above it, which are kept once for all who share
// them; what the lists say of those is worked out once for each set of lists. One thread: its
// Loop's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "certs/crl.h"
#include "certs/verify.h"
#include "core/base/list.h"
#include "core/rt/stop.h"

namespace aquifer::certs {

// For metrics. The role is the peer's.
struct RevocationObserver {
  std::function<void(PeerRole)> on_rejected;   // a handshake refused, or a connection ended
  std::function<void(PeerRole)> on_untracked;  // a connection that no change of the lists reaches
};

class Revocations {
 public:
  // The watch over one connection, from before its handshake until it ends. Its token stops with
  // `parent`, or with kRevoked when a certificate of the peer is revoked.
  class Watch final : public PathJudge, public ListNode {
   public:
    Watch(Revocations& owner, StopToken parent) : owner_(owner), stop_(parent) {}
    ~Watch() override;

    std::optional<VerifyRefusal> Judge(const STACK_OF(X509) * path, PeerRole role) override;
    StopToken token() { return stop_.token(); }

   private:
    friend class Revocations;
    struct Path;
    void Leave();

    Revocations& owner_;
    StopSource stop_;
    std::shared_ptr<Path> path_;
    std::optional<Serial> leaf_;
    PeerRole role_ = PeerRole::kClient;
  };

  // Nothing is revoked until SetLists. Outlives its watches.
  explicit Revocations(RevocationObserver observer = {}) : observer_(std::move(observer)) {}
  ~Revocations();

  // From here on these count; connections of peers that they revoke end. Null: there are lists and
  // nobody can read them, so that no new peer is taken. Those who are there stay.
  void SetLists(CrlSetRef lists);

  // Connections that are watched, and the paths they share.
  std::size_t watched() const { return watched_; }
  std::size_t paths() const { return paths_.size(); }

 private:
  using Path = Watch::Path;

  std::shared_ptr<Path> PathOf(const STACK_OF(X509) * path);
  void Examine(Path& path);
  bool IsSigned(std::size_t list, const Path& path, std::size_t issuer);
  static bool IsRevoked(const Watch& watch);

  RevocationObserver observer_;
  CrlSetRef lists_ = CrlSet::None();
  absl::flat_hash_map<std::string, std::weak_ptr<Path>> paths_;  // each takes itself out
  // Which list is signed by which issuer: asked with each connection of a peer that comes and goes.
  absl::flat_hash_map<std::string, bool> signatures_;
  List<Watch> watches_;
  std::size_t watched_ = 0;
};

}  // namespace aquifer::certs
