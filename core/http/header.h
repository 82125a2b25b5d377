// HeaderList: the fields of a message head or of trailers, in the order they came, with limits (RFC
// 9110 section 5). What is in a list is valid: names are lower-case tokens, values hold no control
// character but HTAB and have no blanks around them, so that no field can ever break out of the
// line or frame it is written into. All text lies in one buffer: a list costs two allocations
// however long it is. A view taken from a list is good until the list changes. A value, one thread
// at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace aquifer::http {

struct HeaderLimits {
  std::uint32_t max_fields = 128;
  // Names and values together, 32 bytes added for each field, as RFC 9113 section 6.5.2 counts.
  std::uint32_t max_bytes = 64 * 1024;
};

// Why a field was not taken.
enum class HeaderError : std::uint8_t { kNone, kBadName, kBadValue, kTooManyFields, kTooManyBytes };

struct HeaderField {
  std::string_view name;
  std::string_view value;
  friend bool operator==(const HeaderField&, const HeaderField&) = default;
};

// A non-empty token of RFC 9110 section 5.6.2, either case.
bool IsToken(std::string_view text);
// No control characters but HTAB.
bool IsFieldValue(std::string_view text);
// ASCII only, as field names, methods' tokens and host names compare.
bool EqualsIgnoreCase(std::string_view a, std::string_view b);
// Without the blanks (SP, HTAB) around it.
std::string_view TrimBlanks(std::string_view text);
// Whether `list`, a comma-separated list such as a Connection value, holds `token` in either case.
bool ListHasToken(std::string_view list, std::string_view token);

class HeaderList {
 public:
  class Iterator;

  HeaderList() = default;
  explicit HeaderList(const HeaderLimits& limits) : limits_(limits) {}

  // Appends a field; the list is unchanged when it is refused.
  [[nodiscard]] HeaderError TryAdd(std::string_view name, std::string_view value);
  // TryAdd for who only needs to know whether it worked.
  bool Add(std::string_view name, std::string_view value) {
    return TryAdd(name, value) == HeaderError::kNone;
  }
  // Leaves exactly one field of that name, in the place of the first if there was one. False and
  // unchanged when refused.
  bool Set(std::string_view name, std::string_view value);
  // Removes every field of that name and says how many there were.
  std::size_t Remove(std::string_view name);
  void Clear();

  // The first value of that name.
  std::optional<std::string_view> Get(std::string_view name) const;
  bool Has(std::string_view name) const { return Find(name, 0) != kNone; }
  std::size_t Count(std::string_view name) const;
  // All values of that name joined by ", " (RFC 9110 section 5.3), or by "; " for cookie.
  std::optional<std::string> GetJoined(std::string_view name) const;
  // Whether any field of that name has `token` in its comma-separated value.
  bool HasToken(std::string_view name, std::string_view token) const;

  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  // As limits count them.
  std::size_t bytes() const { return bytes_; }
  HeaderField operator[](std::size_t index) const;
  Iterator begin() const;
  Iterator end() const;

  friend bool operator==(const HeaderList& a, const HeaderList& b);

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  static constexpr std::size_t kFieldOverhead = 32;

  struct Entry {
    std::uint32_t offset;  // the name, then the value right behind it
    std::uint32_t name_length;
    std::uint32_t value_length;
  };

  static std::size_t Cost(std::size_t name, std::size_t value) {
    return name + value + kFieldOverhead;
  }
  std::size_t Find(std::string_view name, std::size_t from) const;
  Entry Append(std::string_view name, std::string_view value);
  void Compact();

  HeaderLimits limits_;
  std::size_t bytes_ = 0;
  std::string text_;
  std::vector<Entry> entries_;
};

class HeaderList::Iterator {
 public:
  HeaderField operator*() const { return (*list_)[index_]; }
  Iterator& operator++() {
    ++index_;
    return *this;
  }
  friend bool operator==(const Iterator&, const Iterator&) = default;

 private:
  friend class HeaderList;
  Iterator(const HeaderList* list, std::size_t index) : list_(list), index_(index) {}

  const HeaderList* list_;
  std::size_t index_;
};

inline HeaderList::Iterator HeaderList::begin() const { return Iterator(this, 0); }
inline HeaderList::Iterator HeaderList::end() const { return Iterator(this, entries_.size()); }

}  // namespace aquifer::http
