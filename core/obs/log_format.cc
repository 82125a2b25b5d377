#include "core/obs/log_format.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "core/obs/escape.h"

namespace aquifer::obs {
namespace {

// Numbers print the same in both formats.
template <class T>
void AppendNumber(std::string& out, T number) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

// Long text is cut before it is escaped, so that no escape is cut.
class Cut {
 public:
  explicit Cut(std::string_view text) : text_(CutText(text, kMaxLogTextBytes)) {
    if (text_.size() == text.size()) return;
    longer_.reserve(text_.size() + 3);
    longer_ += text_;
    longer_ += "...";
    text_ = longer_;
  }
  Cut(const Cut&) = delete;
  Cut& operator=(const Cut&) = delete;
  std::string_view text() const { return text_; }

 private:
  std::string longer_;
  std::string_view text_;
};

struct TextValue {
  std::string& out;

  void operator()(std::string_view text) const {
    if (const Cut cut(text); IsPlainWord(cut.text())) {
      out += cut.text();
    } else {
      AppendQuoted(out, cut.text());
    }
  }
  void operator()(Quoted quoted) const { AppendQuoted(out, Cut(quoted.text).text()); }
  void operator()(bool yes) const { out += yes ? "true" : "false"; }
  void operator()(double number) const { AppendNumber(out, number); }
  void operator()(std::int64_t number) const { AppendNumber(out, number); }
  void operator()(std::uint64_t number) const { AppendNumber(out, number); }
};

struct JsonValue {
  std::string& out;

  void operator()(std::string_view text) const { AppendJsonString(out, Cut(text).text()); }
  void operator()(Quoted quoted) const { (*this)(quoted.text); }
  void operator()(bool yes) const { out += yes ? "true" : "false"; }
  void operator()(double number) const {
    // JSON has no word for these (RFC 8259 section 6).
    if (std::isfinite(number)) {
      AppendNumber(out, number);
    } else {
      out += "null";
    }
  }
  void operator()(std::int64_t number) const { AppendNumber(out, number); }
  void operator()(std::uint64_t number) const { AppendNumber(out, number); }
};

std::string TextLine(const LogRecord& record) {
  std::string line = FormatTime(record.time);
  line += '\t';
  line += LevelWord(record.level);
  line += '\t';
  line += record.scope;
  line += '\t';
  AppendEscaped(line, Cut(record.message).text());
  char before = '\t';
  for (const Field& field : record.fields) {
    line += before;
    line += field.key;
    line += '=';
    std::visit(TextValue{line}, field.value.get());
    before = ' ';
  }
  line += '\n';
  return line;
}

std::string JsonLine(const LogRecord& record) {
  std::string line = "{\"level\":\"";
  line += LevelWord(record.level);
  line += "\",\"time\":\"";
  line += FormatTime(record.time);
  line += "\",\"scope\":";
  AppendJsonString(line, record.scope);
  line += ",\"message\":";
  AppendJsonString(line, Cut(record.message).text());
  for (const Field& field : record.fields) {
    line += ',';
    AppendJsonString(line, field.key);
    line += ':';
    std::visit(JsonValue{line}, field.value.get());
  }
  line += "}\n";
  return line;
}

}  // namespace

std::string FormatLogLine(LogFormat format, const LogRecord& record) {
  return format == LogFormat::kJson ? JsonLine(record) : TextLine(record);
}

std::string FormatTime(std::chrono::system_clock::time_point time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::microseconds>(time - day));
  std::array<char, 64> text;
  const int length = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ",
      static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
      static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
      static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()),
      static_cast<int>(clock.subseconds().count()));
  return std::string(text.data(), static_cast<size_t>(length));
}

}  // namespace aquifer::obs
