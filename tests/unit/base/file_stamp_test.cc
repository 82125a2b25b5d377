#include "core/base/file_stamp.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/support/catch.h"

namespace aquifer {
namespace {

using SystemClock = std::chrono::system_clock;
constexpr auto kHour = std::chrono::hours(1);

class File {
 public:
  File() {
    std::string name = std::filesystem::temp_directory_path() / "aquifer-stamp-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder_ = name;
    Write("one");
  }
  ~File() { std::filesystem::remove_all(folder_); }
  void Write(const std::string& text) const { std::ofstream(path()) << text; }
  std::string path() const { return folder_ / "file"; }

 private:
  std::filesystem::path folder_;
};

}  // namespace

TEST_CASE("a file that is left alone is unchanged once its stamp has settled") {
  const File file;
  const auto later = StampOf(file.path(), SystemClock::now() + kHour);
  REQUIRE(later);
  CHECK(IsUnchanged(*later, *later));
  const auto at_once = StampOf(file.path(), SystemClock::now());
  REQUIRE(at_once);
  CHECK_FALSE(IsUnchanged(*at_once, *later));
  CHECK(IsUnchanged(*later, *at_once));
}

TEST_CASE("a file that is written or replaced is not unchanged") {
  const File file;
  const auto before = StampOf(file.path(), SystemClock::now() + kHour);
  file.Write("three");
  CHECK_FALSE(IsUnchanged(*before, *StampOf(file.path(), SystemClock::now())));
  std::filesystem::copy_file(file.path(), file.path() + "2");
  const auto written = StampOf(file.path(), SystemClock::now() + kHour);
  std::filesystem::rename(file.path() + "2", file.path());
  CHECK_FALSE(IsUnchanged(*written, *StampOf(file.path(), SystemClock::now())));
}

TEST_CASE("a clock that is behind the files' never settles a stamp") {
  const File file;
  const auto stamp = StampOf(file.path(), SystemClock::now() - kHour);
  REQUIRE(stamp);
  CHECK_FALSE(stamp->settled);
}

TEST_CASE("no file has no stamp") {
  CHECK_FALSE(StampOf("/nowhere/at-all", SystemClock::now()).has_value());
}

}  // namespace aquifer
