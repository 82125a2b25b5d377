// Precompiled for every test program: Catch2's single header takes longer than a whole test file.
#pragma once

#include "tests/support/catch.h"
