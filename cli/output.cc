#include "cli/output.h"

#include <algorithm>
#include <cstdio>

#include "kube/yaml_scalar.h"

namespace aquifer::cli {
namespace {

constexpr size_t kGap = 3;  // between columns

std::string_view CodeOf(Colour colour) {
  switch (colour) {
    case Colour::kNone:
      return "";
    case Colour::kGood:
      return "\x1b[32m";
    case Colour::kWarning:
      return "\x1b[33m";
    case Colour::kBad:
      return "\x1b[31m";
    case Colour::kFaint:
      return "\x1b[2m";
  }
  return "";
}

// Characters, each of which is taken for one column.
size_t WidthOf(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

// A character that a terminal obeys, or by which it shows text in another order than it stands:
// DEL, C1, the marks of direction. Its size in bytes; 0: it is none. `text` is UTF-8.
size_t SteeringAt(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
  };
  if (byte(0) == 0x7f) return 1;
  if (byte(0) == 0xc2 && byte(1) < 0xa0) return 2;
  if (byte(0) != 0xe2) return 0;
  const bool mark = byte(1) == 0x80 && (byte(2) == 0x8e || byte(2) == 0x8f);
  const bool embedding = byte(1) == 0x80 && byte(2) >= 0xa8 && byte(2) <= 0xae;
  const bool isolate = byte(1) == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9;
  return mark || embedding || isolate ? 3 : 0;
}

// What the writer of JSON leaves in texts, as an escape: it can stand nowhere else.
std::string Escaped(const std::string& json) {
  std::string out;
  for (size_t at = 0; at < json.size();) {
    const size_t size = SteeringAt(json, at);
    if (size == 0) {
      out += json[at++];
      continue;
    }
    const auto byte = [&](size_t i) -> unsigned {
      return static_cast<unsigned char>(json[at + i]);
    };
    const unsigned code = size == 1   ? byte(0)
                          : size == 2 ? byte(1)
                                      : 0x2000U | ((byte(1) & 0x3fU) << 6U) | (byte(2) & 0x3fU);
    char escape[8];
    std::snprintf(escape, sizeof escape, "\\u%04x", code & 0xffffU);
    out += escape;
    at += size;
  }
  return out;
}

}  // namespace

Decoded<Form> ReadForm(std::string_view word) {
  if (word.empty() || word == "table") return Form::kTable;
  if (word == "json") return Form::kJson;
  if (word == "yaml") return Form::kYaml;
  return Refusal{"--output", "is none of table, json and yaml"};
}

std::string Shown(std::string_view text) {
  std::string shown(text);
  if (!kube::IsUtf8(text)) {
    for (char& c : shown) c = static_cast<unsigned char>(c) < 0x80 ? c : '?';
  }
  for (size_t i = 0; i < shown.size(); ++i) {
    const auto byte = static_cast<unsigned char>(shown[i]);
    if (byte < 0x20 || byte == 0x7f) shown[i] = ' ';
    for (size_t left = SteeringAt(shown, i); left > 0; --left) shown[i + left - 1] = '?';
  }
  return shown;
}

std::string Output::Painted(const Cell& cell, size_t width) const {
  std::string text = Shown(cell.text);
  const size_t shown = WidthOf(text);
  const std::string_view code = colours_ ? CodeOf(cell.colour) : "";
  if (!code.empty()) text = std::string(code) + text + "\x1b[0m";
  if (shown < width) text.append(width - shown, ' ');
  return text;
}

void Output::Line(const std::vector<Cell>& parts) {
  std::string line;
  for (const Cell& part : parts) line += Painted(part, 0);
  out_(line + "\n");
}

void Output::Document(const OrderedJson& value, Form form) {
  std::string text;
  if (form == Form::kJson) {
    text = Escaped(value.dump(2, ' ', false, OrderedJson::error_handler_t::replace)) + "\n";
  } else {
    text = (documents_ ? "---\n" : "") + kube::WriteYaml(value);
  }
  documents_ = true;
  out_(text);
}

void Output::Table(const std::vector<std::string>& headers,
                   const std::vector<std::vector<Cell>>& rows) {
  std::vector<std::vector<Cell>> lines;
  lines.emplace_back(headers.begin(), headers.end());
  lines.insert(lines.end(), rows.begin(), rows.end());
  std::vector<size_t> widths;
  for (const auto& line : lines) {
    widths.resize(std::max(widths.size(), line.size()));
    for (size_t i = 0; i < line.size(); ++i)
      widths[i] = std::max(widths[i], WidthOf(Shown(line[i].text)));
  }
  std::string text;
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      const bool last = i + 1 == line.size();
      text += Painted(line[i], last ? 0 : widths[i] + kGap);
    }
    text += '\n';
  }
  out_(text);
}

void Output::Say(std::string_view line) { err_(Shown(line) + "\n"); }

void Output::Complain(std::string_view line) { Say(program_ + ": " + std::string(line)); }

}  // namespace aquifer::cli
