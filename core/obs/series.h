// One time series each: a counter, a gauge or a histogram under one label set. A family owns its
// series; whoever counts holds a Handle, which keeps the series from expiring. Counting is one
// relaxed atomic operation from any thread; a Handle object belongs to one thread at a time.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/check.h"

namespace aquifer::obs {

class Series {
 public:
  explicit Series(std::string labels) : labels_(std::move(labels)) {}
  Series(const Series&) = delete;
  Series& operator=(const Series&) = delete;
  virtual ~Series() { AQ_DCHECK(handles_.load(std::memory_order_acquire) == 0); }

  // `key="value",key="value"`, escaped, without braces.
  const std::string& labels() const { return labels_; }
  // Appends the sample lines.
  virtual void Write(std::string_view name, std::string& out) const = 0;
  // Differs from before when the series has counted something, so that expiry costs the counting
  // side nothing.
  virtual std::uint64_t Mark() const = 0;

 private:
  template <class T>
  friend class Handle;
  friend class Family;

  const std::string labels_;
  std::atomic<std::uint32_t> handles_{0};
  // Under the family's mutex.
  std::uint64_t mark_ = 0;
  std::chrono::steady_clock::time_point changed_;
};

class Counter final : public Series {
 public:
  using Series::Series;
  void Add(std::uint64_t count = 1) { value_.fetch_add(count, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }
  void Write(std::string_view name, std::string& out) const override;
  std::uint64_t Mark() const override { return value(); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge final : public Series {
 public:
  using Series::Series;
  void Set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void Add(std::int64_t difference) { value_.fetch_add(difference, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }
  void Write(std::string_view name, std::string& out) const override;
  std::uint64_t Mark() const override { return static_cast<std::uint64_t>(value()); }

 private:
  std::atomic<std::int64_t> value_{0};
};

class Histogram final : public Series {
 public:
  // `bounds` rise and live as long as the family; the bucket behind the last is +Inf.
  Histogram(std::string labels, std::span<const double> bounds)
      : Series(std::move(labels)), bounds_(bounds), buckets_(bounds.size() + 1) {}
  // Two atomic additions. A scrape in between may see one without the other.
  void Observe(double value);
  std::uint64_t count() const;
  void Write(std::string_view name, std::string& out) const override;
  std::uint64_t Mark() const override { return count(); }

 private:
  const std::span<const double> bounds_;
  std::vector<std::atomic<std::uint64_t>> buckets_;
  std::atomic<double> sum_{0};
};

// Counts holders of a series. Its family outlives it.
template <class T>
class Handle {
 public:
  Handle() = default;
  explicit Handle(T& series) : series_(&series) {
    series_->handles_.fetch_add(1, std::memory_order_relaxed);
  }
  Handle(const Handle& other) : Handle() {
    if (other.series_ != nullptr) *this = Handle(*other.series_);
  }
  Handle(Handle&& other) noexcept : series_(std::exchange(other.series_, nullptr)) {}
  Handle& operator=(Handle other) noexcept {
    std::swap(series_, other.series_);
    return *this;
  }
  // Release: what was counted is seen by the expiry that finds no holder left.
  ~Handle() {
    if (series_ != nullptr) series_->handles_.fetch_sub(1, std::memory_order_release);
  }

  explicit operator bool() const { return series_ != nullptr; }
  T* operator->() const { return series_; }
  T& operator*() const { return *series_; }

 private:
  T* series_ = nullptr;
};

}  // namespace aquifer::obs
