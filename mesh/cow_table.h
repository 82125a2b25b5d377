// A hash table that many snapshots share: copying it copies a list of shard pointers, and changing
// a row copies the one shard that holds it. So a small change to a large mesh costs little, and
// readers of an older copy notice nothing. Const use from any thread; changes only by the owner of
// the copy.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"

namespace aquifer::mesh {

// `KeyOf{}(row)` gives a row's key; its result type is what rows are looked up by.
template <class Row, class KeyOf>
class CowTable {
 public:
  using Key = std::remove_cvref_t<decltype(KeyOf{}(std::declval<const Row&>()))>;

  const Row* Find(const Key& key) const {
    const auto& shard = shards_[ShardOf(key)];
    if (shard == nullptr) return nullptr;
    const auto at = shard->find(key);
    return at == shard->end() ? nullptr : &*at;
  }

  template <class F>
  void ForEach(F&& visit) const {
    for (const auto& shard : shards_) {
      if (shard == nullptr) continue;
      for (const Row& row : *shard) visit(row);
    }
  }

  std::size_t size() const { return size_; }

  // Adds the row, or replaces the one with its key.
  void Put(Row row) {
    Shard& shard = Writable(ShardOf(KeyOf{}(row)));
    size_ += shard.erase(KeyOf{}(row)) == 0 ? 1 : 0;
    shard.insert(std::move(row));
  }

  // The row with that key, made by `make` if there is none, to be changed in place; its key stays.
  // Good until the next change of the table.
  template <class Make>
  Row& Edit(const Key& key, Make make) {
    Shard& shard = Writable(ShardOf(key));
    auto at = shard.find(key);
    if (at == shard.end()) {
      at = shard.insert(make()).first;
      ++size_;
    }
    return const_cast<Row&>(*at);  // constant only so that nobody changes the key
  }

  bool Erase(const Key& key) {
    if (Find(key) == nullptr) return false;
    Writable(ShardOf(key)).erase(key);
    --size_;
    return true;
  }

  // A copy for readers. Every shard counts as shared from here on.
  CowTable Share() {
    owned_.reset();
    return *this;
  }

 private:
  // 200,000 rows are about 400 a shard: a change copies some microseconds' worth.
  static constexpr std::size_t kShardBits = 9;
  static constexpr std::size_t kShards = std::size_t{1} << kShardBits;

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const Key& key) const { return absl::Hash<Key>{}(key); }
    std::size_t operator()(const Row& row) const
      requires(!std::is_same_v<Row, Key>)
    {
      return absl::Hash<Key>{}(KeyOf{}(row));
    }
  };
  struct Equal {
    using is_transparent = void;
    static decltype(auto) AsKey(const Row& row) { return KeyOf{}(row); }
    static const Key& AsKey(const Key& key)
      requires(!std::is_same_v<Row, Key>)
    {
      return key;
    }
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return AsKey(a) == AsKey(b);
    }
  };
  using Shard = absl::flat_hash_set<Row, Hash, Equal>;

  static std::size_t ShardOf(const Key& key) {
    // The top bits: the shard's own table goes by the low ones.
    return absl::Hash<Key>{}(key) >> (8 * sizeof(std::size_t) - kShardBits);
  }

  Shard& Writable(std::size_t index) {
    std::shared_ptr<Shard>& shard = shards_[index];
    if (!owned_[index]) {
      shard = shard == nullptr ? std::make_shared<Shard>() : std::make_shared<Shard>(*shard);
      owned_[index] = true;
    }
    return *shard;
  }

  std::array<std::shared_ptr<Shard>, kShards> shards_;
  std::bitset<kShards> owned_;  // copied for this owner since the last Share
  std::size_t size_ = 0;
};

}  // namespace aquifer::mesh
