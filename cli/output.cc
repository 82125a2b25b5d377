#include "cli/output.h"

#include <algorithm>

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
    // The controls of C1, of which one begins an escape.
    if (byte == 0xc2 && static_cast<unsigned char>(shown[i + 1]) < 0xa0) {
      shown[i] = shown[i + 1] = '?';
    }
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
    text = value.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
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
