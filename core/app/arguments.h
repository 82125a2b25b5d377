// The words of a command line: flags, written "--flag VALUE" or "--flag=VALUE", some also "-f
// VALUE" or "-fVALUE", each known and given once, unless it is of those that may come again, and
// plain words beside them. For main(), before anything starts. Values.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace aquifer::app {

struct Flag {
  std::string_view name;   // "--manifests"
  std::string_view value;  // what stands behind it, such as "DIR"; empty for nothing
  char letter = 0;         // its short form; 0: none
  bool repeats = false;    // may be given more than once
};

class Arguments {
 public:
  // The refusal's field is the flag.
  static Decoded<Arguments> Parse(std::span<const std::string_view> words,
                                  std::span<const Flag> flags);

  // Words that are no flags, in their order.
  const std::vector<std::string>& plain() const { return plain_; }
  bool Has(std::string_view flag) const { return flags_.contains(flag); }
  std::string Value(std::string_view flag, std::string_view absent = "") const;
  // Of a flag that repeats: all that it was given, in order.
  std::vector<std::string> Values(std::string_view flag) const;

 private:
  std::vector<std::string> plain_;
  std::map<std::string, std::vector<std::string>, std::less<>> flags_;
};

}  // namespace aquifer::app
