// Regular expressions from configuration: those that mesh/regex.h takes, compiled once, matched
// against whole values in linear time. A value; copies share the program; matching is safe on any
// thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "mesh/regex.h"

namespace aquifer::waypoint {

class Regex {
 public:
  // `field` is where the pattern came from, for the refusal.
  static Decoded<Regex> Compile(std::string_view pattern, const std::string& field);

  // The whole of `text`, as the Gateway API's implementations and Istio do.
  bool Matches(std::string_view text) const;
  const std::string& pattern() const;

 private:
  explicit Regex(std::shared_ptr<const re2::RE2> program) : program_(std::move(program)) {}

  std::shared_ptr<const re2::RE2> program_;
};

}  // namespace aquifer::waypoint
