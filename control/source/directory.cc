#include "control/source/directory.h"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "control/resources.h"
#include "core/base/folder_file.h"

namespace aquifer::control {
namespace {

std::string ErrnoText(int os_error) { return std::generic_category().message(os_error); }

bool IsManifestName(std::string_view name) {
  if (name.starts_with('.')) return false;
  return name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json");
}

std::set<ObjectKey> KeysOf(const std::vector<Object>& objects) {
  std::set<ObjectKey> keys;
  for (const Object& object : objects) keys.insert(KeyOf(object));
  return keys;
}

// Which objects the refused documents may have meant: those named, or, if one is beyond
// recognition, any.
std::optional<std::set<ObjectKey>> MeantBy(const std::vector<ManifestRefusal>& refusals) {
  std::set<ObjectKey> keys;
  for (const ManifestRefusal& refusal : refusals) {
    if (!refusal.key) return std::nullopt;
    keys.insert(*refusal.key);
  }
  return keys;
}

ManifestRefusal OfFile(const std::string& file, const std::string& why) {
  return {file, 0, 0, "", std::nullopt, {"", why}};
}

}  // namespace

Decoded<std::set<std::string>> ManifestNames(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), &::closedir);
  if (directory == nullptr) return Refusal{"", "cannot be read: " + ErrnoText(errno)};
  std::set<std::string> names;
  while (const dirent* entry = ::readdir(directory.get())) {
    if (IsManifestName(entry->d_name)) names.emplace(entry->d_name);
  }
  return names;
}

ManifestDirectory::ManifestDirectory(std::string path, std::string memory, DirectoryLimits limits)
    : path_(std::move(path)), last_good_(std::move(memory)), limits_(limits) {}

ManifestDirectory::FileRef ManifestDirectory::Parse(const std::string& name,
                                                    const std::string& text, std::string digest,
                                                    const FileRef& before) {
  auto file = std::make_shared<File>();
  file->digest = std::move(digest);
  file->manifest = ReadManifest(name, text);
  if (file->manifest.refusals.empty()) return file;
  if (before != nullptr) KeepGood(*before, *file);
  const std::set<ObjectKey> kept = KeysOf(file->kept);
  for (const Object& object : file->manifest.closed) {
    if (!kept.contains(KeyOf(object))) file->closed.push_back(object);
  }
  return file;
}

void ManifestDirectory::KeepGood(const File& before, File& file) {
  const std::set<ObjectKey> there = KeysOf(file.manifest.objects);
  const auto meant = MeantBy(file.manifest.refusals);
  for (const auto* objects : {&before.manifest.objects, &before.kept}) {
    for (const Object& object : *objects) {
      const ObjectKey key = KeyOf(object);
      if (!there.contains(key) && (!meant || meant->contains(key))) file.kept.push_back(object);
    }
  }
}

// What an earlier process read well, for a file that this one has not.
ManifestDirectory::FileRef ManifestDirectory::Recall(const std::string& name) const {
  const std::optional<std::string> text = last_good_.Recall(name);
  return text && text->size() <= limits_.file_bytes ? Parse(name, *text, "", nullptr) : nullptr;
}

ManifestDirectory::FileRef ManifestDirectory::ReadFile(const std::string& name, FileRef before,
                                                       size_t& total_bytes) {
  auto text = ReadFolderFile(path_, name, limits_.file_bytes);
  if (text.ok()) total_bytes += text->size();
  if (text.ok() && total_bytes > limits_.total_bytes) {
    text = FileRefusal{"is not read: the files before it fill the limit of " +
                       std::to_string(limits_.total_bytes) + " bytes"};
  }
  if (!text.ok()) {
    const std::string& problem = text.error().why;
    if (before != nullptr && before->problem == problem) return before;
    if (before == nullptr) before = Recall(name);
    auto file = before == nullptr ? std::make_shared<File>() : std::make_shared<File>(*before);
    file->problem = problem;
    return file;
  }
  std::string digest = ContentVersion(*text);
  if (before != nullptr && before->problem.empty() && before->digest == digest) return before;
  FileRef file = Parse(name, *text, digest, before);
  if (file->manifest.refusals.empty()) {
    fresh_[name] = *std::move(text);
  } else if (before == nullptr) {
    file = Parse(name, *text, std::move(digest), Recall(name));
  }
  return file;
}

// More names than are read. What is in force must not make room for what sorts before it, so no
// name is new until there are fewer; those that count are read on, and one that is gone may have
// been renamed to one that is not read.
void ManifestDirectory::Reduce(std::set<std::string>& names) {
  next_.problem = "has more than " + std::to_string(limits_.files) +
                  " manifests; those that were not read before are left out";
  if (!current_.files.empty()) {
    next_.files = current_.files;
    std::erase_if(names, [&](const std::string& name) { return !current_.files.contains(name); });
    return;
  }
  std::set<std::string> chosen = last_good_.Names();
  std::erase_if(chosen, [&](const std::string& name) { return !names.contains(name); });
  for (auto name = names.begin(); name != names.end() && chosen.size() < limits_.files; ++name) {
    chosen.insert(*name);
  }
  names = std::move(chosen);
}

void ManifestDirectory::Read(const std::set<std::string>& being_written) {
  next_ = Reading();
  fresh_.clear();
  auto names = ManifestNames(path_);
  if (!names.ok()) {
    next_ = {current_.files, names.error().why};
    return;
  }
  if (names->size() > limits_.files) Reduce(*names);
  size_t total_bytes = 0;
  for (const std::string& name : *names) {
    const auto found = current_.files.find(name);
    const FileRef before = found == current_.files.end() ? nullptr : found->second;
    if (!being_written.contains(name)) {
      next_.files[name] = ReadFile(name, before, total_bytes);
    } else if (before != nullptr) {
      next_.files[name] = before;
    }
  }
}

bool ManifestDirectory::LosesFiles() const {
  return std::any_of(current_.files.begin(), current_.files.end(),
                     [&](const auto& entry) { return !next_.files.contains(entry.first); });
}

bool ManifestDirectory::Commit(const std::set<std::string>& being_written) {
  for (const std::string& name : being_written) {
    fresh_.erase(name);
    if (!next_.files.contains(name)) continue;
    const auto found = current_.files.find(name);
    if (found == current_.files.end()) {
      next_.files.erase(name);
    } else {
      next_.files[name] = found->second;
    }
  }
  const std::string memory_problem = memory_problem_;
  Remember();
  const bool changed = !(next_ == current_) || memory_problem != memory_problem_;
  current_ = next_;
  return changed;
}

void ManifestDirectory::Remember() {
  memory_problem_.clear();
  for (const auto& [name, text] : fresh_) {
    const Status remembered = last_good_.Remember(name, text);
    if (!remembered.ok()) {
      memory_problem_ = "cannot be remembered for the next start: " + Describe(remembered.error());
    }
  }
  fresh_.clear();
  if (!next_.problem.empty()) return;
  std::set<std::string> names;
  for (const auto& [name, file] : next_.files) names.insert(name);
  last_good_.KeepOnly(names);
}

Observation ManifestDirectory::Observe() const {
  Observation seen;
  std::map<ObjectKey, const std::string*> origins;
  if (!current_.problem.empty()) seen.refusals.push_back(OfFile(path_, current_.problem));
  if (!memory_problem_.empty()) seen.refusals.push_back(OfFile(path_, memory_problem_));
  // The count of those that stand in for what is written, if it is one.
  const auto add = [&](const Object& object, const std::string& name, size_t* stand_ins) {
    const ObjectKey key = KeyOf(object);
    const auto [origin, is_new] = origins.emplace(key, &name);
    if (is_new) {
      seen.objects.Add(object);
      if (stand_ins != nullptr) ++*stand_ins;
    } else if (stand_ins == nullptr) {
      seen.refusals.push_back(
          OfFile(name, key.ToString() + " is in " + *origin->second + " already; that one counts"));
    }
  };
  for (const auto& [name, file] : current_.files) {
    if (!file->problem.empty()) seen.refusals.push_back(OfFile(name, file->problem));
    seen.refusals.insert(seen.refusals.end(), file->manifest.refusals.begin(),
                         file->manifest.refusals.end());
    seen.skipped.insert(file->manifest.skipped.begin(), file->manifest.skipped.end());
    for (const Object& object : file->manifest.objects) add(object, name, nullptr);
  }
  // What was kept comes last: an object that moved to another file is there, not here.
  for (const auto& [name, file] : current_.files) {
    for (const Object& object : file->kept) add(object, name, &seen.kept);
  }
  for (const auto& [name, file] : current_.files) {
    for (const Object& object : file->closed) add(object, name, &seen.closed);
  }
  return seen;
}

}  // namespace aquifer::control
