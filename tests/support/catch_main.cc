// main() of every Catch2 program. With AQUIFER_REFUSE_IO_URING set, the kernel refuses io_uring to
// the whole program, so that its loops run on epoll as they do in a sandbox.
#if __has_include(<catch2/catch_session.hpp>)
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include <cerrno>
#include <cstdlib>

#include "tests/support/refuse.h"

int main(int argc, char** argv) {
  if (std::getenv("AQUIFER_REFUSE_IO_URING") != nullptr)
    aquifer::test::Refuse(SYS_io_uring_setup, EPERM);
  return Catch::Session().run(argc, argv);
}
