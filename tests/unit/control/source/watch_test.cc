#include "control/source/watch.h"

#include <sys/eventfd.h>
#include <condition_variable>
#include <mutex>

#include "control/source/directory_follower.h"
#include "tests/support/catch.h"
#include "tests/unit/control/source/files.h"

namespace aquifer::control {
namespace {

// Takes the readings of a follower and lets a test wait for one of its choice.
class Readings {
 public:
  void Take(Observation seen) {
    const std::lock_guard lock(mutex_);
    names_.clear();
    for (const auto& [key, object] : seen.objects.namespaces)
      names_ += (names_.empty() ? "" : " ") + key.second;
    ++count_;
    changed_.notify_all();
  }
  bool Await(const std::string& names) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30),
                             [&] { return count_ > 0 && names_ == names; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string names_;
  int count_ = 0;
};

}  // namespace

TEST_CASE("a file is being written from its creation to its close") {
  const TestDirectory files;
  DirectoryWatch watch(files.path());
  REQUIRE(watch.Start().ok());
  CHECK_FALSE(watch.Drain());
  std::ofstream file(files.Of("a.yaml"));
  CHECK(watch.Drain());
  CHECK(watch.BeingWritten() == std::set<std::string>{"a.yaml"});
  file << "half" << std::flush;
  CHECK_FALSE(watch.Drain());
  CHECK(watch.BeingWritten() == std::set<std::string>{"a.yaml"});
  file.close();
  CHECK(watch.Drain());
  CHECK(watch.BeingWritten().empty());
}

TEST_CASE("renames, links and removals are whole at once") {
  const TestDirectory files;
  files.Write("a", "x");
  DirectoryWatch watch(files.path());
  REQUIRE(watch.Start().ok());
  std::filesystem::rename(files.Of("a"), files.Of("b"));
  CHECK(watch.Drain());
  std::filesystem::create_hard_link(files.Of("b"), files.Of("c"));
  std::filesystem::create_symlink(files.Of("b"), files.Of("d"));
  std::filesystem::create_directory(files.Of("e"));
  CHECK(watch.Drain());
  CHECK(watch.BeingWritten().empty());
  files.Remove("c");
  CHECK(watch.Drain());
}

TEST_CASE("a directory that went and came back is watched again") {
  const TestDirectory files;
  const std::string path = files.Of("manifests");
  std::filesystem::create_directory(path);
  DirectoryWatch watch(path);
  REQUIRE(watch.Start().ok());
  std::filesystem::remove(path);
  CHECK(watch.Drain());
  CHECK_FALSE(watch.Drain());
  std::filesystem::create_directory(path);
  CHECK(watch.Drain());
  files.Write("manifests/a.yaml", "x");
  CHECK(watch.Drain());
}

TEST_CASE("what is not a directory cannot be watched") {
  const TestDirectory files;
  files.Write("a", "x");
  CHECK_FALSE(DirectoryWatch(files.Of("a")).Start().ok());
  CHECK_FALSE(DirectoryWatch(files.Of("missing")).Start().ok());
}

TEST_CASE("waiting ends with a stop") {
  const TestDirectory files;
  DirectoryWatch watch(files.path());
  REQUIRE(watch.Start().ok());
  const UniqueFd stop(::eventfd(1, EFD_CLOEXEC));
  CHECK(watch.Wait(stop.get()) == DirectoryWatch::Woken::kStop);
  const UniqueFd never(::eventfd(0, EFD_CLOEXEC));
  CHECK(watch.Wait(never.get(), 0) == DirectoryWatch::Woken::kTimeout);
  files.Write("a", "x");
  CHECK(watch.Wait(never.get()) == DirectoryWatch::Woken::kEvents);
}

TEST_CASE("a follower hands on each state of its directory") {
  const TestDirectory files;
  Readings readings;
  DirectoryFollower follower(files.path(), "",
                             [&](Observation seen) { readings.Take(std::move(seen)); });
  REQUIRE(follower.Start().ok());
  CHECK(readings.Await(""));
  files.Write("a.yaml", NamespaceYaml("a"));
  CHECK(readings.Await("a"));
  files.Write("b.yaml", NamespaceYaml("b"));
  CHECK(readings.Await("a b"));
  std::filesystem::rename(files.Of("b.yaml"), files.Of("c.yaml"));
  files.Write("a.yaml", NamespaceYaml("x"));
  CHECK(readings.Await("b x"));
  files.Remove("c.yaml");
  CHECK(readings.Await("x"));
}

TEST_CASE("a file that is moved away and written anew is never seen missing") {
  const TestDirectory files;
  files.Write("a.yaml", NamespaceYaml("a"));
  std::mutex mutex;
  bool lost = false;
  Readings readings;
  DirectoryFollower follower(files.path(), "", [&](Observation seen) {
    {
      const std::lock_guard lock(mutex);
      lost = lost || !FindObject(seen.objects.namespaces, "", "a");
    }
    readings.Take(std::move(seen));
  });
  REQUIRE(follower.Start().ok());
  CHECK(readings.Await("a"));
  for (int i = 0; i < 20; ++i) {
    std::filesystem::rename(files.Of("a.yaml"), files.Of("a.yaml~"));
    std::ofstream file(files.Of("a.yaml"));
    file << NamespaceYaml("a") << std::flush;
    file << "---\n" << NamespaceYaml("b" + std::to_string(i));
    file.close();
    CHECK(readings.Await("a b" + std::to_string(i)));
  }
  const std::lock_guard lock(mutex);
  CHECK_FALSE(lost);
}

}  // namespace aquifer::control
