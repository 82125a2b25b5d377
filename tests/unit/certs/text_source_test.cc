#include "certs/text_source.h"

#include <cstdlib>
#include <filesystem>

#include "certs/file.h"
#include "tests/support/catch.h"

namespace aquifer::certs {
namespace {

class TemporaryFile {
 public:
  TemporaryFile() {
    std::string name = (std::filesystem::temp_directory_path() / "aquifer-text-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder_ = name;
  }
  ~TemporaryFile() { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ + "/file"; }

 private:
  std::string folder_;
};

TEST_CASE("a token file is read anew each time") {
  const TemporaryFile file;
  const TextSource token = TokenFrom(file.path());
  REQUIRE(WriteFileWhole(file.path(), "first\n", 0600).ok());
  CHECK(*token() == "first");
  REQUIRE(WriteFileWhole(file.path(), " second ", 0600).ok());
  CHECK(*token() == "second");
}

TEST_CASE("a token file that is not there is no token") {
  const TemporaryFile file;
  const Result<std::string> token = TokenFrom(file.path())();
  REQUIRE(token.ok());
  CHECK(token->empty());
}

TEST_CASE("a setting without a slash is the token") { CHECK(*TokenFrom("abc.def")() == "abc.def"); }

TEST_CASE("roots are taken from PEM, or from a file each time anew") {
  const std::string pem = "-----BEGIN CERTIFICATE-----\n";
  CHECK(*RootsFrom(pem)() == pem);
  const TemporaryFile file;
  const TextSource roots = RootsFrom(file.path());
  CHECK(roots().error().reason == Reason::kNotFound);
  REQUIRE(WriteFileWhole(file.path(), pem, 0600).ok());
  CHECK(*roots() == pem);
}

}  // namespace
}  // namespace aquifer::certs
