// The pages of a list, taken together within bounds: a server that never comes to an end, or that
// sends pages without items, must not keep us. Pure; one thread.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kube/list_page.h"

namespace aquifer::cli {

class ListItems {
 public:
  static constexpr size_t kMaxItems = 200'000;
  static constexpr size_t kMaxPages = 2000;
  static constexpr size_t kMaxBytes = size_t{1} << 30;

  // Why no more is read; nothing: go on. `bytes` is the size of the page as it came.
  std::optional<std::string> Take(kube::ListPage page, size_t bytes) {
    bytes_ += bytes;
    ++pages_;
    for (kube::Json& item : page.items) items_.push_back(std::move(item));
    if (items_.size() > kMaxItems) return "there are more than " + std::to_string(kMaxItems);
    if (bytes_ > kMaxBytes) return "they are more than " + std::to_string(kMaxBytes) + " bytes";
    if (!page.next.empty() && (pages_ >= kMaxPages || page.next == next_))
      return "the list does not come to an end";
    next_ = std::move(page.next);
    return std::nullopt;
  }

  // Where to go on; empty: that was all, or nothing was taken yet.
  const std::string& next() const { return next_; }
  std::vector<kube::Json> TakeAll() { return std::move(items_); }

 private:
  std::vector<kube::Json> items_;
  std::string next_;
  size_t bytes_ = 0;
  size_t pages_ = 0;
};

}  // namespace aquifer::cli
