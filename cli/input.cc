#include "cli/input.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "certs/file.h"

namespace aquifer::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFileBytes = 4 << 20;  // as the reader of YAML takes them
constexpr size_t kMaxFiles = 4096;
constexpr size_t kMaxBytes = 64 << 20;  // of all

Decoded<std::string> ReadStandardInput() {
  std::string text;
  std::array<char, 16384> part;
  while (true) {
    const ssize_t got = ::read(STDIN_FILENO, part.data(), part.size());
    if (got == 0) return text;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Refusal{"standard input", "cannot be read"};
    text.append(part.data(), static_cast<size_t>(got));
    if (text.size() > kMaxFileBytes)
      return Refusal{"standard input",
                     "is larger than " + std::to_string(kMaxFileBytes) + " bytes"};
  }
}

Decoded<std::vector<std::string>> ManifestsIn(const std::string& folder) {
  std::vector<std::string> paths;
  std::error_code problem;
  for (fs::directory_iterator at(folder, problem), end; !problem && at != end;
       at.increment(problem)) {
    if (at->path().filename().string().starts_with('.')) continue;  // of an editor
    const std::string ending = at->path().extension().string();
    std::error_code gone;
    if ((ending == ".yaml" || ending == ".yml" || ending == ".json") && at->is_regular_file(gone))
      paths.push_back(at->path().string());
    if (paths.size() > kMaxFiles)
      return Refusal{folder, "has more than " + std::to_string(kMaxFiles) + " manifests"};
  }
  if (problem) return Refusal{folder, "cannot be read: " + problem.message()};
  if (paths.empty()) return Refusal{folder, "has no manifests (*.yaml, *.yml, *.json)"};
  std::sort(paths.begin(), paths.end());
  return paths;
}

Decoded<InputFile> ReadOne(const std::string& path) {
  Result<std::string> text = certs::ReadSmallFile(path, kMaxFileBytes);
  if (!text.ok()) return Refusal{path, "cannot be read: " + Describe(text.error())};
  return InputFile{path, *std::move(text)};
}

}  // namespace

Decoded<std::vector<InputFile>> ReadInput(const std::vector<std::string>& paths) {
  std::vector<InputFile> files;
  size_t bytes = 0;
  for (const std::string& path : paths) {
    if (path == "-") {
      AQ_TRY(std::string text, ReadStandardInput());
      files.push_back({"standard input", std::move(text)});
      continue;
    }
    std::vector<std::string> inside = {path};
    std::error_code absent;
    if (fs::is_directory(path, absent)) {
      AQ_TRY(inside, ManifestsIn(path));
    }
    for (const std::string& each : inside) {
      AQ_TRY(InputFile file, ReadOne(each));
      bytes += file.text.size();
      if (bytes > kMaxBytes)
        return Refusal{each, "is not read: the files before it fill the limit of " +
                                 std::to_string(kMaxBytes) + " bytes"};
      files.push_back(std::move(file));
    }
  }
  return files;
}

}  // namespace aquifer::cli
