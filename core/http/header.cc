#include "core/http/header.h"

#include <algorithm>
#include <array>

#include "core/base/check.h"

namespace aquifer::http {
namespace {

constexpr char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// For every byte: its lower-case form if it may stand in a token, else 0.
constexpr std::array<char, 256> MakeTokenTable() {
  std::array<char, 256> table{};
  for (const char c : std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")) {
    table[static_cast<unsigned char>(c)] = c;
  }
  for (char c = 'A'; c <= 'Z'; ++c) table[static_cast<unsigned char>(c)] = Lower(c);
  return table;
}
constexpr std::array<char, 256> kToken = MakeTokenTable();

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

// `lower` is a stored name; `any` may be in either case.
bool NameEquals(std::string_view lower, std::string_view any) {
  if (lower.size() != any.size()) return false;
  for (std::size_t i = 0; i < lower.size(); ++i) {
    if (lower[i] != Lower(any[i])) return false;
  }
  return true;
}

}  // namespace

bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return kToken[static_cast<unsigned char>(c)] != 0;
  });
}

bool IsFieldValue(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
  });
}

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return Lower(x) == Lower(y); });
}

std::string_view TrimBlanks(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

bool ListHasToken(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    if (EqualsIgnoreCase(TrimBlanks(list.substr(0, comma)), token)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

HeaderError HeaderList::TryAdd(std::string_view name, std::string_view value) {
  value = TrimBlanks(value);
  if (!IsToken(name)) return HeaderError::kBadName;
  if (!IsFieldValue(value)) return HeaderError::kBadValue;
  if (entries_.size() >= limits_.max_fields) return HeaderError::kTooManyFields;
  const std::size_t cost = Cost(name.size(), value.size());
  if (cost > limits_.max_bytes || bytes_ > limits_.max_bytes - cost)
    return HeaderError::kTooManyBytes;
  const Entry entry = Append(name, value);
  entries_.push_back(entry);
  bytes_ += cost;
  return HeaderError::kNone;
}

bool HeaderList::Set(std::string_view name, std::string_view value) {
  const std::size_t first = Find(name, 0);
  if (first == kNone) return Add(name, value);
  value = TrimBlanks(value);
  if (!IsFieldValue(value)) return false;
  std::size_t freed = 0;
  for (std::size_t i = first; i != kNone; i = Find(name, i + 1)) {
    freed += Cost(entries_[i].name_length, entries_[i].value_length);
  }
  const std::size_t cost = Cost(name.size(), value.size());
  if (cost > limits_.max_bytes || bytes_ - freed > limits_.max_bytes - cost) return false;
  const Entry entry =
      Append(name, value);  // before anything goes: `value` may be a view of this list
  const std::string_view stored(text_.data() + entry.offset, entry.name_length);
  for (std::size_t i = Find(stored, first + 1); i != kNone; i = Find(stored, i)) {
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  entries_[first] = entry;
  bytes_ = bytes_ - freed + cost;
  Compact();
  return true;
}

std::size_t HeaderList::Remove(std::string_view name) {
  const std::size_t before = entries_.size();
  std::erase_if(entries_, [&](const Entry& entry) {
    if (!NameEquals({text_.data() + entry.offset, entry.name_length}, name)) return false;
    bytes_ -= Cost(entry.name_length, entry.value_length);
    return true;
  });
  Compact();
  return before - entries_.size();
}

void HeaderList::Clear() {
  entries_.clear();
  text_.clear();
  bytes_ = 0;
}

std::optional<std::string_view> HeaderList::Get(std::string_view name) const {
  const std::size_t index = Find(name, 0);
  if (index == kNone) return std::nullopt;
  return (*this)[index].value;
}

std::size_t HeaderList::Count(std::string_view name) const {
  std::size_t count = 0;
  for (std::size_t i = Find(name, 0); i != kNone; i = Find(name, i + 1)) ++count;
  return count;
}

std::optional<std::string> HeaderList::GetJoined(std::string_view name) const {
  std::size_t i = Find(name, 0);
  if (i == kNone) return std::nullopt;
  const std::string_view separator = EqualsIgnoreCase(name, "cookie") ? "; " : ", ";
  std::string joined((*this)[i].value);
  while ((i = Find(name, i + 1)) != kNone) {
    joined += separator;
    joined += (*this)[i].value;
  }
  return joined;
}

bool HeaderList::HasToken(std::string_view name, std::string_view token) const {
  for (std::size_t i = Find(name, 0); i != kNone; i = Find(name, i + 1)) {
    if (ListHasToken((*this)[i].value, token)) return true;
  }
  return false;
}

HeaderField HeaderList::operator[](std::size_t index) const {
  AQ_DCHECK(index < entries_.size());
  const Entry& entry = entries_[index];
  const char* const name = text_.data() + entry.offset;
  return {{name, entry.name_length}, {name + entry.name_length, entry.value_length}};
}

bool operator==(const HeaderList& a, const HeaderList& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!(a[i] == b[i])) return false;
  }
  return true;
}

std::size_t HeaderList::Find(std::string_view name, std::size_t from) const {
  for (std::size_t i = from; i < entries_.size(); ++i) {
    if (NameEquals({text_.data() + entries_[i].offset, entries_[i].name_length}, name)) return i;
  }
  return kNone;
}

// `name` and `value` may be views of this very list: text that has to move is kept until both are
// copied.
HeaderList::Entry HeaderList::Append(std::string_view name, std::string_view value) {
  const std::size_t needed = text_.size() + name.size() + value.size();
  std::string outgrown;
  if (needed > text_.capacity() || text_.empty()) {
    outgrown.reserve(std::max<std::size_t>(needed * 2, 256));
    outgrown.append(text_);
    outgrown.swap(text_);
  }
  const Entry entry{static_cast<std::uint32_t>(text_.size()),
                    static_cast<std::uint32_t>(name.size()),
                    static_cast<std::uint32_t>(value.size())};
  for (const char c : name) text_.push_back(kToken[static_cast<unsigned char>(c)]);
  text_.append(value);
  return entry;
}

// Fields that are replaced or removed leave their text behind; it goes before it outweighs what is
// used.
void HeaderList::Compact() {
  if (text_.size() < 1024 || text_.size() / 2 < bytes_) return;
  std::string packed;
  packed.reserve(bytes_);
  for (Entry& entry : entries_) {
    const auto offset = static_cast<std::uint32_t>(packed.size());
    packed.append(text_, entry.offset, entry.name_length + entry.value_length);
    entry.offset = offset;
  }
  text_ = std::move(packed);
}

}  // namespace aquifer::http
