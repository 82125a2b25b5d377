// What is known of a cluster: its objects by kind, as lists and watches bring them. What was good
// is not lost to a mistake: an object that comes in a form that is refused stays as it was, and an
// AuthorizationPolicy that was never good stands as one that denies everything at its targets, a
// PeerAuthentication as a STRICT one. One thread: its Loop's.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/decode/decode.h"
#include "control/source/observation.h"
#include "core/rt/event.h"

namespace aquifer::control {

class ClusterObjects {
  struct Entry {
    std::optional<Object> object;  // none: refused, and nothing better is known
    bool stands_in = false;        // is not what the cluster holds now
    bool closed = false;           // and denies for that reason
    std::optional<Refusal> refusal;
  };
  using Name = std::pair<std::string, std::string>;  // namespace and name
  using Entries = std::map<Name, Entry>;

 public:
  // Beyond that a kind is not followed: memory is bounded, and a part of the objects would be a
  // wrong answer.
  static constexpr size_t kMaxObjects = 200'000;

  // All objects of one kind, gathered page by page. The ClusterObjects outlive it.
  class Listing {
   public:
    // False if there are too many.
    bool Add(const Json& item);

   private:
    friend class ClusterObjects;
    Listing(const ClusterObjects& known, const DecoderRow& row) : known_(known), row_(row) {}

    const ClusterObjects& known_;
    const DecoderRow& row_;
    Entries entries_;
  };
  Listing Begin(const DecoderRow& row) const { return Listing(*this, row); }
  // From here on these are the objects of that kind; what is not among them has gone.
  void Replace(Listing listing);
  // False if there are too many.
  bool Put(const DecoderRow& row, const Json& item);
  void Remove(const DecoderRow& row, const Json& item);

  // Why a kind cannot be followed at present; empty: it can.
  void SetProblem(const DecoderRow& row, std::string problem);

  // Every kind has been listed.
  bool complete() const;
  size_t CountOf(Kind kind) const { return Of(kind).entries.size(); }
  Observation Observe() const;
  // Set with each change of what is read here; much of what a cluster says of its objects is not.
  Event& changed() { return changed_; }

 private:
  struct OfKind {
    Entries entries;
    std::string problem;
    bool listed = false;
  };

  static bool IsSame(const Entry& a, const Entry& b);
  static Entry Decode(const DecoderRow& row, const Json& item, const Entry* before);
  const OfKind& Of(Kind kind) const { return kinds_[static_cast<size_t>(kind)]; }
  OfKind& Of(Kind kind) { return kinds_[static_cast<size_t>(kind)]; }

  std::array<OfKind, kKindCount> kinds_;
  Event changed_;
};

}  // namespace aquifer::control
