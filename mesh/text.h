// Names as the model keeps them: immutable, counted, eight bytes where they are held. A large mesh
// says the same namespaces, nodes and services over and over; Texts gives all who say one the same
// copy. Text: any thread (the count is atomic); Texts: one thread, the builder's.
#pragma once

#include <array>
#include <atomic>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"

namespace aquifer::mesh {

class Text;

// What strings are elsewhere.
template <class S>
concept Words =
    std::convertible_to<const S&, std::string_view> && !std::same_as<std::remove_cvref_t<S>, Text>;

// Converts from and to what strings are usually passed as, so that it is one to its readers.
class Text {
 public:
  Text() = default;
  // NOLINTBEGIN(google-explicit-constructor)
  Text(std::string_view text) : body_(Make(text)) {}
  Text(const std::string& text) : Text(std::string_view(text)) {}
  Text(const char* text) : Text(std::string_view(text)) {}
  operator std::string_view() const { return view(); }
  operator std::string() const { return std::string(view()); }
  // NOLINTEND(google-explicit-constructor)
  Text(const Text& other) : body_(other.body_) {
    if (body_ != nullptr) body_->holders.fetch_add(1, std::memory_order_relaxed);
  }
  Text(Text&& other) noexcept : body_(std::exchange(other.body_, nullptr)) {}
  Text& operator=(Text other) noexcept {
    std::swap(body_, other.body_);
    return *this;
  }
  ~Text() {
    if (body_ != nullptr && body_->holders.fetch_sub(1, std::memory_order_acq_rel) == 1)
      ::operator delete(body_);
  }

  Text& operator+=(std::string_view more) { return *this = Text(std::string(view()).append(more)); }

  void clear() { *this = Text(); }

  std::string_view view() const {
    return body_ == nullptr
               ? std::string_view()
               : std::string_view(reinterpret_cast<const char*>(body_ + 1), body_->size);
  }
  bool empty() const { return body_ == nullptr; }
  std::size_t size() const { return body_ == nullptr ? 0 : body_->size; }
  std::size_t find(char wanted) const { return view().find(wanted); }
  std::size_t find(std::string_view wanted) const { return view().find(wanted); }
  // Nobody else holds this copy.
  bool alone() const {
    return body_ == nullptr || body_->holders.load(std::memory_order_acquire) == 1;
  }

  friend bool operator==(const Text& a, const Text& b) {
    return a.body_ == b.body_ || a.view() == b.view();
  }
  friend std::strong_ordering operator<=>(const Text& a, const Text& b) {
    return a.view() <=> b.view();
  }
  template <Words S>
  friend bool operator==(const Text& a, const S& b) {
    return a.view() == std::string_view(b);
  }
  template <Words S>
  friend std::strong_ordering operator<=>(const Text& a, const S& b) {
    return a.view() <=> std::string_view(b);
  }
  template <Words S>
  friend std::string operator+(const Text& a, const S& b) {
    return std::string(a.view()).append(std::string_view(b));
  }
  template <Words S>
  friend std::string operator+(S&& a, const Text& b) {
    return std::string(std::forward<S>(a)).append(b.view());
  }
  friend std::string operator+(const Text& a, const Text& b) {
    return std::string(a.view()).append(b.view());
  }
  friend std::ostream& operator<<(std::ostream& out, const Text& text) {
    return out << text.view();
  }
  template <class H>
  friend H AbslHashValue(H h, const Text& text) {
    return H::combine(std::move(h), text.view());
  }

 private:
  struct Body {  // the bytes follow
    std::atomic<std::uint32_t> holders;
    std::uint32_t size;
  };
  static Body* Make(std::string_view text) {
    if (text.empty()) return nullptr;
    Body* body = new (::operator new(sizeof(Body) + text.size()))
        Body{1, static_cast<std::uint32_t>(text.size())};
    std::memcpy(body + 1, text.data(), text.size());
    return body;
  }

  Body* body_ = nullptr;
};

// One copy of each text that is asked for.
class Texts {
 public:
  Text Shared(std::string_view text) {
    if (text.empty()) return Text();
    Text& recent = recent_[absl::HashOf(text) % recent_.size()];
    if (recent == text) return recent;
    const auto found = held_.find(text);
    if (found != held_.end()) return recent = *found;
    if (held_.size() >= bound_) Forget();
    return recent = *held_.insert(Text(text)).first;
  }
  std::size_t size() const { return held_.size(); }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return absl::HashOf(text); }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const { return a == b; }
  };
  // Those that nobody says any more; when that are few, the next time comes later.
  void Forget() {
    recent_.fill(Text());
    absl::erase_if(held_, [](const Text& text) { return text.alone(); });
    bound_ = held_.size() * 2 + kLeastBound;
  }

  static constexpr std::size_t kLeastBound = 1024;
  absl::flat_hash_set<Text, Hash, Equal> held_;
  // One resource says the same several times, and so does the next: these need no search.
  std::array<Text, 64> recent_;
  std::size_t bound_ = kLeastBound;
};

}  // namespace aquifer::mesh
