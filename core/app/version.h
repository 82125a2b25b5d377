// The version of this tree, as its build description has it; every program and every answer that
// names a version asks here. Any thread.
#pragma once

#include <string_view>

namespace aquifer::app {

std::string_view Version();

}  // namespace aquifer::app
