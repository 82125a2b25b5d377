// The manifests of one directory as an ObjectSet: the regular files ending in .yaml, .yml or .json,
// in the order of their names. Read whole each time; what did not change is not parsed again. What
// was good is not lost to a mistake: while a file has documents that are refused, cannot be read or
// is just being written, its objects that are missing from it stay as they were. Blocking file I/O;
// one thread at a time.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "control/manifest.h"
#include "control/object_set.h"
#include "control/source/last_good.h"
#include "control/source/observation.h"

namespace aquifer::control {

struct DirectoryLimits {
  size_t files = 4096;
  size_t file_bytes = 4 << 20;
  size_t total_bytes = 64 << 20;
};

// The names of its files that count as manifests, or why they cannot be told.
Decoded<std::set<std::string>> ManifestNames(const std::string& path);

class ManifestDirectory {
 public:
  // `memory` is a directory of our own for what was read well (control/source/last_good.h), or
  // empty.
  explicit ManifestDirectory(std::string path, std::string memory = "",
                             DirectoryLimits limits = {});

  // Reads what is there, but for files that are just being written.
  void Read(const std::set<std::string>& being_written);
  // Whether a file that counts was not there in the last Read.
  bool LosesFiles() const;
  // Makes the last Read count, but for files of which it has turned out that they were being
  // written. True if anything differs from before.
  bool Commit(const std::set<std::string>& being_written);
  // What counts.
  Observation Observe() const;

 private:
  struct File {
    std::string digest;   // of the content that was parsed
    std::string problem;  // why the file could not be read
    Manifest manifest;
    std::vector<Object> kept;    // from readings before
    std::vector<Object> closed;  // of refused policies, those of which nothing is kept
  };
  using FileRef = std::shared_ptr<const File>;
  struct Reading {
    std::map<std::string, FileRef> files;
    std::string problem;  // of the directory as a whole
    friend bool operator==(const Reading&, const Reading&) = default;
  };

  void Reduce(std::set<std::string>& names);
  FileRef ReadFile(const std::string& name, FileRef before, size_t& total_bytes);
  static void KeepGood(const File& before, File& file);
  FileRef Recall(const std::string& name) const;
  void Remember();
  static FileRef Parse(const std::string& name, const std::string& text, std::string digest,
                       const FileRef& before);

  const std::string path_;
  const LastGood last_good_;
  const DirectoryLimits limits_;
  Reading current_;
  Reading next_;
  std::map<std::string, std::string> fresh_;  // texts of next_ that are new and without a refusal
  std::string memory_problem_;
};

}  // namespace aquifer::control
