// Text from outside made safe for the places that operators and scrapers read: log lines, JSON,
// metric labels. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace aquifer::obs {

// One step through text that may not be UTF-8. An invalid byte is a step of length 1.
struct CodePoint {
  char32_t value;
  std::uint8_t length;
  bool valid;
};
// `text` is not empty. Overlong forms, surrogates and values behind U+10FFFF are invalid (RFC 3629
// section 3).
CodePoint FirstCodePoint(std::string_view text);

// The longest start of `text` of at most `max_bytes` that cuts no code point.
std::string_view CutText(std::string_view text, size_t max_bytes);

// For a log line. Control characters, line separators and direction overrides become \n, \t,
// \u{202e}, invalid bytes \xff.
void AppendEscaped(std::string& out, std::string_view text);
// The same in quotes, with " and \ escaped.
void AppendQuoted(std::string& out, std::string_view text);
// Whether a value reads as one word of a log line without quotes.
bool IsPlainWord(std::string_view text);

// A JSON string with its quotes (RFC 8259 section 7); invalid bytes become U+FFFD.
void AppendJsonString(std::string& out, std::string_view text);

// A label value without its quotes (OpenMetrics 1.0 "escaped-string"); invalid bytes become U+FFFD,
// as a scraper refuses all else.
void AppendLabelValue(std::string& out, std::string_view text);

}  // namespace aquifer::obs
