// What the program tells: results on standard output, everything else on standard error. Text that
// came from a cluster is shown without anything a terminal would obey. One thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "kube/yaml_text.h"

namespace aquifer::cli {

using kube::OrderedJson;

enum class Form : std::uint8_t { kTable, kJson, kYaml };
Decoded<Form> ReadForm(std::string_view word);

enum class Colour : std::uint8_t { kNone, kGood, kWarning, kBad, kFaint };

struct Cell {
  Cell(std::string text, Colour colour = Colour::kNone)  // NOLINT: implicit by design
      : text(std::move(text)), colour(colour) {}
  Cell(const char* text) : text(text) {}  // NOLINT: implicit by design

  std::string text;
  Colour colour = Colour::kNone;
};

using Sink = std::function<void(std::string_view text)>;

class Output {
 public:
  // `colours` is for standard output alone.
  Output(std::string program, Sink out, Sink err, bool colours)
      : program_(std::move(program)),
        out_(std::move(out)),
        err_(std::move(err)),
        colours_(colours) {}

  // As "aquifer" or "kubectl aquifer" was typed.
  const std::string& program() const { return program_; }

  // As it is, on standard output.
  void Write(std::string_view text) { out_(text); }
  // One line of foreign text, on standard output.
  void Line(const std::vector<Cell>& parts);
  // A JSON or YAML document (several: with separators), on standard output. Not for kTable.
  void Document(const OrderedJson& value, Form form);
  // Columns as wide as their widest cell; no line for an empty `rows` but that of the headers.
  void Table(const std::vector<std::string>& headers, const std::vector<std::vector<Cell>>& rows);

  // One line about progress or of advice, on standard error.
  void Say(std::string_view line);
  // The same with the program's name before it: what is wrong.
  void Complain(std::string_view line);

 private:
  std::string Painted(const Cell& cell, size_t width) const;

  const std::string program_;
  const Sink out_;
  const Sink err_;
  const bool colours_;
  bool documents_ = false;  // one was written
};

// Without control characters, whatever `text` holds; bytes that are no UTF-8 become "?".
std::string Shown(std::string_view text);

}  // namespace aquifer::cli
