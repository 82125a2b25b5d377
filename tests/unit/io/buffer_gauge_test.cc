#include "core/io/buffer_gauge.h"

#include "tests/support/catch.h"

namespace aquifer::io {
namespace {

TEST_CASE("one alone may hold two thirds, and then says so once") {
  BufferPool pool(3000);
  int told = 0;
  BufferGauge gauge(pool, [&told] { ++told; });
  gauge.Add(2000);
  CHECK_FALSE(gauge.full());
  gauge.Add(1);
  CHECK(gauge.full());
  gauge.Add(500);
  CHECK(told == 1);
  gauge.Remove(510);
  CHECK(gauge.full());  // not at the edge
  gauge.Remove(391);
  CHECK_FALSE(gauge.full());
  gauge.Add(500);
  CHECK(told == 2);
  gauge.Remove(gauge.held());
  CHECK(pool.used() == 0);
}

TEST_CASE("beside one that has taken its part others have room") {
  BufferPool pool(3000);
  BufferGauge loud(pool);
  while (!loud.full()) loud.Add(10);
  CHECK(loud.held() == 2010);
  BufferGauge quiet(pool);
  quiet.Add(500);
  CHECK_FALSE(quiet.full());
  quiet.Add(200);
  CHECK(quiet.full());
  loud.Remove(loud.held());
  quiet.Remove(100);
  CHECK_FALSE(quiet.full());
  quiet.Remove(quiet.held());
}

}  // namespace
}  // namespace aquifer::io
