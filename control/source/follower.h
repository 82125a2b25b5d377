// Whatever brings objects: follows its source on a thread of its own and calls its sink there, with
// the first state of the source that is whole and with each that differs from the one before.
// Destruction stops and joins.
#pragma once

#include "core/base/result.h"

namespace aquifer::control {

class Follower {
 public:
  virtual ~Follower() = default;

  // An error if the source cannot be followed at all. Once.
  virtual Status Start() = 0;
};

}  // namespace aquifer::control
