// The resources of one type that a discovery client holds: name and version of each, in one block
// of memory, for a large mesh has hundreds of thousands. One thread.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"

namespace aquifer::mesh {

class HeldVersions {
 public:
  std::size_t size() const { return entries_.size(); }
  // Room for so many in all, so that it need not be made piece by piece.
  void Expect(std::size_t count) { entries_.reserve(count); }
  bool contains(std::string_view name) const { return entries_.contains(name); }
  // Whether it was put with this mark, of the response that brought it.
  bool Marked(std::string_view name, std::uint32_t mark) const {
    const auto at = entries_.find(name);
    return at != entries_.end() && (*at)->mark == mark;
  }
  void Put(std::string_view name, std::string_view version, std::uint32_t mark) {
    const auto at = entries_.find(name);
    if (at != entries_.end() && (*at)->version() == version) {
      (*at)->mark = mark;
      return;
    }
    if (at != entries_.end()) entries_.erase(at);
    entries_.insert(Make(name, version, mark));
  }
  void Erase(std::string_view name) {
    const auto at = entries_.find(name);
    if (at != entries_.end()) entries_.erase(at);
  }
  template <class F>
  void ForEach(F&& visit) const {
    for (const EntryPtr& entry : entries_) visit(entry->name(), entry->version());
  }

 private:
  struct Entry {  // the bytes of both follow
    std::uint32_t mark;
    std::uint32_t name_size;
    std::uint32_t version_size;

    const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }
    std::string_view name() const { return {bytes(), name_size}; }
    std::string_view version() const { return {bytes() + name_size, version_size}; }
  };
  struct Free {
    void operator()(Entry* entry) const { ::operator delete(entry); }
  };
  using EntryPtr = std::unique_ptr<Entry, Free>;

  static EntryPtr Make(std::string_view name, std::string_view version, std::uint32_t mark) {
    Entry* const entry = new (::operator new(sizeof(Entry) + name.size() + version.size())) Entry{
        mark, static_cast<std::uint32_t>(name.size()), static_cast<std::uint32_t>(version.size())};
    char* const bytes = reinterpret_cast<char*>(entry + 1);
    if (!name.empty()) std::memcpy(bytes, name.data(), name.size());
    if (!version.empty()) std::memcpy(bytes + name.size(), version.data(), version.size());
    return EntryPtr(entry);
  }

  static std::string_view NameOf(std::string_view name) { return name; }
  static std::string_view NameOf(const EntryPtr& entry) { return entry->name(); }
  struct Hash {
    using is_transparent = void;
    template <class T>
    std::size_t operator()(const T& of) const {
      return absl::HashOf(NameOf(of));
    }
  };
  struct Equal {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return NameOf(a) == NameOf(b);
    }
  };

  absl::flat_hash_set<EntryPtr, Hash, Equal> entries_;
};

}  // namespace aquifer::mesh
