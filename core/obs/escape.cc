#include "core/obs/escape.h"

#include "core/base/check.h"

namespace aquifer::obs {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::string_view kHexDigits = "0123456789abcdef";

// Continuation bytes and the smallest value that needs them, by what the first byte says.
struct Sequence {
  std::uint8_t length;
  char32_t first_bits;
  char32_t smallest;
};

Sequence SequenceOf(std::uint8_t first) {
  if (first < 0x80) return {1, first, 0};
  if (first >> 5 == 0x06) return {2, first & 0x1Fu, 0x80};
  if (first >> 4 == 0x0E) return {3, first & 0x0Fu, 0x800};
  if (first >> 3 == 0x1E) return {4, first & 0x07u, 0x10000};
  return {0, 0, 0};
}

// What could end a line, move a terminal's cursor or make text read in another order than it was
// written.
bool IsControl(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x200E && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

void AppendHex(std::string& out, std::uint32_t value, int least_digits) {
  int digits = least_digits;
  while (digits < 8 && value >> (4 * digits) != 0) ++digits;
  while (digits-- > 0) out += kHexDigits[value >> (4 * digits) & 0xF];
}

void AppendControl(std::string& out, char32_t c) {
  switch (c) {
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      out += "\\u{";
      AppendHex(out, c, 1);
      out += '}';
  }
}

void AppendLogText(std::string& out, std::string_view text, std::string_view also_escaped) {
  while (!text.empty()) {
    const CodePoint c = FirstCodePoint(text);
    if (!c.valid) {
      out += "\\x";
      AppendHex(out, static_cast<std::uint8_t>(text.front()), 2);
    } else if (IsControl(c.value)) {
      AppendControl(out, c.value);
    } else {
      if (also_escaped.find(text.front()) != also_escaped.npos) out += '\\';
      out += text.substr(0, c.length);
    }
    text.remove_prefix(c.length);
  }
}

}  // namespace

CodePoint FirstCodePoint(std::string_view text) {
  AQ_DCHECK(!text.empty());
  constexpr CodePoint kInvalid{0xFFFD, 1, false};
  const Sequence sequence = SequenceOf(static_cast<std::uint8_t>(text.front()));
  if (sequence.length == 0 || sequence.length > text.size()) return kInvalid;
  char32_t value = sequence.first_bits;
  for (const char c : text.substr(1, sequence.length - 1u)) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (byte >> 6 != 2) return kInvalid;
    value = value << 6 | (byte & 0x3F);
  }
  if (value < sequence.smallest || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
    return kInvalid;
  return {value, sequence.length, true};
}

std::string_view CutText(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t end = max_bytes;
  // A code point has at most three continuation bytes; more of them are no text, and any cut is as
  // good.
  for (int back = 0; back < 3 && end > 0 && static_cast<std::uint8_t>(text[end]) >> 6 == 2; ++back)
    --end;
  return text.substr(0, end);
}

void AppendEscaped(std::string& out, std::string_view text) { AppendLogText(out, text, ""); }

void AppendQuoted(std::string& out, std::string_view text) {
  out += '"';
  AppendLogText(out, text, "\"\\");
  out += '"';
}

bool IsPlainWord(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=') return false;
  }
  return true;
}

void AppendJsonString(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const CodePoint c = FirstCodePoint(text);
    if (!c.valid) {
      out += kReplacement;
    } else if (c.value == '"' || c.value == '\\') {
      out += '\\';
      out += text.front();
    } else if (c.value == '\n') {
      out += "\\n";
    } else if (c.value == '\r') {
      out += "\\r";
    } else if (c.value == '\t') {
      out += "\\t";
    } else if (IsControl(c.value)) {
      out += "\\u";
      AppendHex(out, c.value, 4);
    } else {
      out += text.substr(0, c.length);
    }
    text.remove_prefix(c.length);
  }
  out += '"';
}

void AppendLabelValue(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const CodePoint c = FirstCodePoint(text);
    if (!c.valid) {
      out += kReplacement;
    } else if (c.value == '\n') {
      out += "\\n";
    } else {
      if (c.value == '"' || c.value == '\\') out += '\\';
      out += text.substr(0, c.length);
    }
    text.remove_prefix(c.length);
  }
}

}  // namespace aquifer::obs
