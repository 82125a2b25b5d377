// What the program would have written, kept for looking at.
#pragma once

#include <string>
#include <string_view>

#include "cli/output.h"

namespace aquifer::cli {

class Captured {
 public:
  explicit Captured(bool colours = false)
      : out(
            "aquifer", [this](std::string_view text) { text_ += text; },
            [this](std::string_view text) { errors_ += text; }, colours) {}
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;

  const std::string& text() const { return text_; }
  const std::string& errors() const { return errors_; }

 private:
  std::string text_;
  std::string errors_;

 public:
  Output out;
};

}  // namespace aquifer::cli
