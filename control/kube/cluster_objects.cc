#include "control/kube/cluster_objects.h"

#include <algorithm>
#include <concepts>
#include <type_traits>

namespace aquifer::control {
namespace {

constexpr std::string_view kOrigin = "cluster";

std::optional<std::pair<std::string, std::string>> NameOf(const Json& item, const DecoderRow& row) {
  std::optional<ObjectKey> key = KeyOfDocument(item, row);
  if (!key) return std::nullopt;
  return std::pair(std::move(key->namespace_name), std::move(key->name));
}

// Of kinds that cannot be compared, the API server counts the changes of what is read here.
template <class T>
bool SameObject(const T& a, const T& b) {
  if constexpr (std::equality_comparable<T>) {
    return a == b;
  } else {
    return a.meta.generation > 0 && a.meta == b.meta;
  }
}

}  // namespace

bool ClusterObjects::IsSame(const Entry& a, const Entry& b) {
  if (!a.object || !b.object || a.refusal || b.refusal) return false;
  return std::visit(
      [&](const auto& object) {
        const auto* other = std::get_if<std::decay_t<decltype(object)>>(&*b.object);
        return other != nullptr && SameObject(object, *other);
      },
      *a.object);
}

ClusterObjects::Entry ClusterObjects::Decode(const DecoderRow& row, const Json& item,
                                             const Entry* before) {
  Entry entry;
  Decoded<Object> object = DecodeObject(item, row);
  if (object.ok()) {
    entry.object = *std::move(object);
    return entry;
  }
  entry.refusal = object.error();
  entry.stands_in = true;
  if (before != nullptr && before->object && !before->closed) {
    entry.object = before->object;
  } else {
    entry.object = ClosedObject(item, row);
    entry.closed = entry.object.has_value();
  }
  return entry;
}

bool ClusterObjects::Listing::Add(const Json& item) {
  const std::optional<Name> name = NameOf(item, row_);
  if (!name) return true;  // no object of an API server
  const Entries& before = known_.Of(row_.object_kind).entries;
  const auto found = before.find(*name);
  entries_.insert_or_assign(*name,
                            Decode(row_, item, found == before.end() ? nullptr : &found->second));
  return entries_.size() <= kMaxObjects;
}

void ClusterObjects::Replace(Listing listing) {
  OfKind& kind = Of(listing.row_.object_kind);
  kind.entries = std::move(listing.entries_);
  kind.listed = true;
  changed_.Set();
}

bool ClusterObjects::Put(const DecoderRow& row, const Json& item) {
  const std::optional<Name> name = NameOf(item, row);
  if (!name) return true;
  Entries& entries = Of(row.object_kind).entries;
  const auto found = entries.find(*name);
  if (found == entries.end() && entries.size() >= kMaxObjects) return false;
  Entry entry = Decode(row, item, found == entries.end() ? nullptr : &found->second);
  if (found != entries.end() && IsSame(found->second, entry)) return true;
  entries.insert_or_assign(*name, std::move(entry));
  changed_.Set();
  return true;
}

void ClusterObjects::Remove(const DecoderRow& row, const Json& item) {
  const std::optional<Name> name = NameOf(item, row);
  if (name && Of(row.object_kind).entries.erase(*name) > 0) changed_.Set();
}

void ClusterObjects::SetProblem(const DecoderRow& row, std::string problem) {
  OfKind& kind = Of(row.object_kind);
  if (kind.problem == problem) return;
  kind.problem = std::move(problem);
  changed_.Set();
}

bool ClusterObjects::complete() const {
  return std::all_of(kinds_.begin(), kinds_.end(), [](const OfKind& kind) { return kind.listed; });
}

Observation ClusterObjects::Observe() const {
  Observation seen;
  const auto refuse = [&](std::string object, Refusal refusal) {
    ManifestRefusal why;
    why.file = kOrigin;
    why.object = std::move(object);
    why.refusal = std::move(refusal);
    seen.refusals.push_back(std::move(why));
  };
  for (const DecoderRow& row : Decoders()) {
    const OfKind& kind = Of(row.object_kind);
    if (!kind.problem.empty()) refuse(std::string(row.plural), {"", kind.problem});
    for (const auto& [name, entry] : kind.entries) {
      if (entry.refusal)
        refuse(ObjectKey{row.object_kind, name.first, name.second}.ToString(), *entry.refusal);
      if (!entry.object) continue;
      seen.objects.Add(*entry.object);
      if (entry.closed) {
        ++seen.closed;
      } else if (entry.stands_in) {
        ++seen.kept;
      }
    }
  }
  return seen;
}

}  // namespace aquifer::control
