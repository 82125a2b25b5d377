#include "control/source/last_good.h"

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "certs/file.h"

namespace aquifer::control {
namespace {

constexpr size_t kMaxBytes =
    64 << 20;  // of one file; the reader of manifests has its own, lower bound

}  // namespace

std::optional<std::string> LastGood::Recall(const std::string& file) const {
  if (directory_.empty()) return std::nullopt;
  Result<std::string> text = certs::ReadSmallFile(directory_ + "/" + file, kMaxBytes);
  return text.ok() ? std::optional(*std::move(text)) : std::nullopt;
}

Status LastGood::Remember(const std::string& file, std::string_view text) const {
  if (directory_.empty()) return {};
  if (::mkdir(directory_.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error{Reason::kSystem, errno};
  }
  return certs::WriteFileWhole(directory_ + "/" + file, text, 0600);
}

std::set<std::string> LastGood::Names() const {
  std::set<std::string> names;
  if (directory_.empty()) return names;
  std::error_code error;
  std::filesystem::directory_iterator entry(directory_, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    names.insert(entry->path().filename().string());
  }
  return names;
}

void LastGood::KeepOnly(const std::set<std::string>& files) const {
  if (directory_.empty()) return;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
    std::error_code ignored;
    if (!files.contains(entry.path().filename().string()))
      std::filesystem::remove(entry.path(), ignored);
  }
}

}  // namespace aquifer::control
