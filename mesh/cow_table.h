// A hash table that many snapshots share: a tree by the bits of the hash, a handful of rows a leaf.
// A copy is one pointer; a change copies only what leads to the row and that somebody else still
// has. So a small change to a large mesh costs little, readers of an older copy notice nothing, and
// nothing is ever moved because the table has grown. Const use from any thread; changes only by the
// owner of the copy.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/hash/hash.h"

namespace aquifer::mesh {

// `KeyOf{}(row)` gives a row's key; its result type is what rows are looked up by.
template <class Row, class KeyOf>
class CowTable {
 public:
  using Key = std::remove_cvref_t<decltype(KeyOf{}(std::declval<const Row&>()))>;

  const Row* Find(const Key& key) const {
    const std::uint64_t hash = absl::Hash<Key>{}(key);
    const Ref* at = &root_;
    for (unsigned depth = 0; *at && !at->is_leaf(); ++depth)
      at = &at->inner().below[Way(hash, depth)];
    return *at ? FindIn(at->leaf(), hash, key) : nullptr;
  }

  template <class F>
  void ForEach(F&& visit) const {
    Visit(root_, visit);
  }

  std::size_t size() const { return size_; }

  // Adds the row, or replaces the one with its key.
  void Put(Row row) {
    const std::uint64_t hash = absl::Hash<Key>{}(KeyOf{}(row));
    Place place = Descend(Place{&root_, 0}, hash);
    if (const Row* there = FindIn(place.at->leaf(), hash, KeyOf{}(row))) {
      *const_cast<Row*>(there) = std::move(row);  // of a leaf that nobody else has
    } else {
      Add(place, hash, std::move(row));
    }
  }

  // The row with that key, made by `make` if there is none, to be changed in place; its key stays.
  // Good until the next change of the table.
  template <class Make>
  Row& Edit(const Key& key, Make make) {
    const std::uint64_t hash = absl::Hash<Key>{}(key);
    Place place = Descend(Place{&root_, 0}, hash);
    const Row* there = FindIn(place.at->leaf(), hash, key);
    return there != nullptr ? *const_cast<Row*>(there) : Add(place, hash, make());
  }

  bool Erase(const Key& key) {
    if (Find(key) == nullptr) return false;
    const std::uint64_t hash = absl::Hash<Key>{}(key);
    Ref& at = *Descend(Place{&root_, 0}, hash).at;
    std::vector<Entry>& entries = at.leaf().entries;
    const auto entry = std::find_if(entries.begin(), entries.end(), [&](const Entry& each) {
      return each.hash == hash && KeyOf{}(each.row) == key;
    });
    if (entry != entries.end() - 1) *entry = std::move(entries.back());
    entries.pop_back();
    if (entries.empty()) at = Ref();
    if (--size_ == 0) root_ = Ref();
    return true;
  }

  // A copy for readers. What both have is copied by whoever changes it first.
  CowTable Share() const { return *this; }

 private:
  static constexpr unsigned kBits = 3;  // of the hash, a level
  static constexpr unsigned kLevels = 64 / kBits;
  static constexpr std::size_t kMostInLeaf = 16;  // unless the hash has no more bits

  struct Node {
    explicit Node(bool is_leaf) : leaf(is_leaf) {}

    std::atomic<std::uint32_t> holders{1};
    const bool leaf;
  };
  struct Inner;
  struct Leaf;

  // Counted, like std::shared_ptr, in one word; and it can tell whether it is the only one.
  class Ref {
   public:
    Ref() = default;
    explicit Ref(Node* node) : node_(node) {}
    Ref(const Ref& other) : node_(other.node_) {
      if (node_ != nullptr) node_->holders.fetch_add(1, std::memory_order_relaxed);
    }
    Ref(Ref&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
    Ref& operator=(Ref other) noexcept {
      std::swap(node_, other.node_);
      return *this;
    }
    ~Ref() {
      if (node_ == nullptr || node_->holders.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
      if (node_->leaf) {
        delete &leaf();
      } else {
        delete &inner();
      }
    }

    explicit operator bool() const { return node_ != nullptr; }
    bool is_leaf() const { return node_->leaf; }
    Inner& inner() const { return *static_cast<Inner*>(node_); }
    Leaf& leaf() const { return *static_cast<Leaf*>(node_); }
    // Who has let go of it reads it no more: see the destructor.
    bool alone() const { return node_->holders.load(std::memory_order_acquire) == 1; }

   private:
    Node* node_ = nullptr;
  };

  struct Entry {
    std::uint64_t hash;
    Row row;
  };
  struct Inner : Node {
    Inner() : Node(false) {}
    explicit Inner(const std::array<Ref, 1 << kBits>& same) : Node(false), below(same) {}
    std::array<Ref, 1 << kBits> below;
  };
  struct Leaf : Node {
    Leaf() : Node(true) {}
    explicit Leaf(const std::vector<Entry>& same) : Node(true), entries(same) {}
    std::vector<Entry> entries;
  };

  // Where a row's leaf hangs; all on the way to it belongs to this table alone.
  struct Place {
    Ref* at;
    unsigned depth;
  };

  static std::size_t Way(std::uint64_t hash, unsigned depth) {
    return (hash >> (depth * kBits)) & ((1U << kBits) - 1);
  }

  static const Row* FindIn(const Leaf& leaf, std::uint64_t hash, const Key& key) {
    for (const Entry& entry : leaf.entries) {
      if (entry.hash == hash && KeyOf{}(entry.row) == key) return &entry.row;
    }
    return nullptr;
  }

  static void MakeOwn(Ref& at) {
    if (!at) {
      at = Ref(new Leaf());
    } else if (!at.alone()) {
      at = at.is_leaf() ? Ref(new Leaf(at.leaf().entries)) : Ref(new Inner(at.inner().below));
    }
  }

  static Place Descend(Place from, std::uint64_t hash) {
    MakeOwn(*from.at);
    while (!from.at->is_leaf()) {
      from.at = &from.at->inner().below[Way(hash, from.depth++)];
      MakeOwn(*from.at);
    }
    return from;
  }

  // The leaf's rows, one level further down.
  static void Split(const Place& place) {
    const Ref below(new Inner());
    for (Entry& entry : place.at->leaf().entries) {
      Ref& at = below.inner().below[Way(entry.hash, place.depth)];
      MakeOwn(at);
      at.leaf().entries.push_back(std::move(entry));
    }
    *place.at = below;
  }

  Row& Add(Place place, std::uint64_t hash, Row row) {
    while (place.at->leaf().entries.size() >= kMostInLeaf && place.depth < kLevels) {
      Split(place);
      place = Descend(place, hash);
    }
    ++size_;
    return place.at->leaf().entries.emplace_back(Entry{hash, std::move(row)}).row;
  }

  template <class F>
  static void Visit(const Ref& at, F& visit) {
    if (!at) return;
    if (at.is_leaf()) {
      for (const Entry& entry : at.leaf().entries) visit(entry.row);
    } else {
      for (const Ref& below : at.inner().below) Visit(below, visit);
    }
  }

  Ref root_;
  std::size_t size_ = 0;
};

}  // namespace aquifer::mesh
