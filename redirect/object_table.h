// The objects of one kind as lists and watches bring them, read into a type of ours. An object that
// is refused stays as it was before, if it was there. One thread: its Loop's.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "core/rt/event.h"
#include "kube/kind.h"

namespace aquifer::redirect {

template <class Object>
class ObjectTable final : public kube::KindSink {
 public:
  using Read = Decoded<Object> (*)(const kube::Json& object);
  struct Entry {
    std::optional<Object> object;
    std::optional<Refusal> refusal;
  };
  using Name = std::pair<std::string, std::string>;  // namespace and name

  // `changed` outlives the table and is set with each change.
  ObjectTable(Read read, size_t most_objects, Event& changed)
      : read_(read), most_objects_(most_objects), changed_(changed) {}

  const std::map<Name, Entry>& entries() const { return entries_; }
  const std::string& problem() const { return problem_; }
  // Whether there has been a list.
  bool listed() const { return listed_; }

  void BeginList() override { list_.clear(); }
  bool AddListed(const kube::Json& item) override { return Add(item, list_); }
  void FinishList() override {
    entries_ = std::exchange(list_, {});
    listed_ = true;
    changed_.Set();
  }
  bool Put(const kube::Json& item) override {
    changed_.Set();
    return Add(item, entries_);
  }
  void Remove(const kube::Json& item) override {
    if (const auto name = NameOf(item)) entries_.erase(*name);
    changed_.Set();
  }
  void SetProblem(std::string problem) override {
    if (problem == problem_) return;
    problem_ = std::move(problem);
    changed_.Set();
  }
  bool HasObjects() const override { return !entries_.empty(); }

 private:
  // What has no name is no object of an API server.
  static std::optional<Name> NameOf(const kube::Json& item) {
    std::optional<Refusal> refusal;
    kube::Fields metadata = kube::Fields(&item, "", refusal).Object("metadata");
    Name name(metadata.Text("namespace"), metadata.RequiredText("name"));
    if (refusal) return std::nullopt;
    return name;
  }

  bool Add(const kube::Json& item, std::map<Name, Entry>& entries) {
    const std::optional<Name> name = NameOf(item);
    if (!name) return true;
    Entry entry;
    Decoded<Object> object = read_(item);
    if (object.ok()) {
      entry.object = *std::move(object);
    } else {
      entry.refusal = object.error();
      const auto before = entries_.find(*name);
      if (before != entries_.end()) entry.object = before->second.object;
    }
    entries.insert_or_assign(*name, std::move(entry));
    return entries.size() <= most_objects_;
  }

  const Read read_;
  const size_t most_objects_;
  Event& changed_;
  std::map<Name, Entry> entries_;
  std::map<Name, Entry> list_;
  std::string problem_;
  bool listed_ = false;
};

}  // namespace aquifer::redirect
