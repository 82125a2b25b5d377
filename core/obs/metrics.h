// Metric families and their exposition as OpenMetrics text. main() owns the Registry and it
// outlives every handle. Naming a series takes a lock and belongs to the opening of a connection,
// not to its bytes; counting takes none (core/obs/series.h). Labels come from certificates and
// workloads, so every family is bounded: past its bound all new label sets count in one series
// whose values are "other". Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "core/obs/series.h"

namespace aquifer::obs {

struct Label {
  std::string_view name;  // a literal
  std::string_view value;
};
using Labels = std::span<const Label>;

struct FamilyOptions {
  std::string name;       // without "_total"
  std::string help;       // a sentence without its full stop
  std::string unit = {};  // "seconds"; the name then ends in it
  size_t max_series = 20'000;
  // Whether Registry::ExpireIdle removes its series. Not for gauges that are set once.
  bool expires = false;
};

enum class MetricType : std::uint8_t { kCounter, kGauge, kHistogram };

class Family {
 public:
  static constexpr size_t kMaxLabelValueBytes = 512;

  // `on_overflow` is called, without a lock held, for each label set sent to the overflow series.
  Family(MetricType type, FamilyOptions options, std::vector<double> bounds,
         std::function<void()> on_overflow);
  Family(const Family&) = delete;
  Family& operator=(const Family&) = delete;
  virtual ~Family() = default;

  const FamilyOptions& options() const { return options_; }
  MetricType type() const { return type_; }
  size_t series_count() const;
  // Says that a label set was sent to a series of Other that the caller has already.
  void CountOverflow() const { on_overflow_(); }
  void Write(std::string& out) const;
  void ExpireIdle(std::chrono::steady_clock::time_point now,
                  std::chrono::steady_clock::duration idle);

 protected:
  // T is the series class of type().
  template <class T>
  Handle<T> Find(Labels labels);
  template <class T>
  Handle<T> FindOverflow(Labels labels);

 private:
  Series& Create(std::string labels);
  Series& Overflow(Labels labels);
  std::vector<Handle<Series>> Pinned() const;

  const MetricType type_;
  const FamilyOptions options_;
  const std::vector<double> bounds_;
  const std::function<void()> on_overflow_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Series>> series_;  // in order of creation
  absl::flat_hash_map<std::string_view, Series*> by_labels_;
  Series* overflow_ = nullptr;
};

template <class T>
class FamilyOf final : public Family {
 public:
  using Family::Family;
  // The series of this label set, made if it is new.
  Handle<T> With(Labels labels) { return Find<T>(labels); }
  Handle<T> With(std::initializer_list<Label> labels) {
    return Find<T>(Labels(labels.begin(), labels.size()));
  }
  // The overflow series, for callers that bound label sets by themselves. Only the names of
  // `labels` matter.
  Handle<T> Other(Labels labels) { return FindOverflow<T>(labels); }
};
using CounterFamily = FamilyOf<Counter>;
using GaugeFamily = FamilyOf<Gauge>;
using HistogramFamily = FamilyOf<Histogram>;

class Registry {
 public:
  Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // A name that is there already gives the family that is there; its type has to be the same.
  CounterFamily& AddCounter(FamilyOptions options);
  GaugeFamily& AddGauge(FamilyOptions options);
  HistogramFamily& AddHistogram(FamilyOptions options, std::vector<double> bounds);

  // A value that somebody else keeps, asked for at each scrape on the scraper's thread. It must not
  // call the registry. The registration ends with the object that is returned; after its destructor
  // the callback is not running.
  class Callback {
   public:
    Callback() = default;
    Callback(Callback&& other) noexcept
        : registry_(std::exchange(other.registry_, nullptr)), id_(other.id_) {}
    Callback& operator=(Callback other) noexcept {
      std::swap(registry_, other.registry_);
      std::swap(id_, other.id_);
      return *this;
    }
    ~Callback();

   private:
    friend class Registry;
    Callback(Registry& registry, std::uint64_t id) : registry_(&registry), id_(id) {}
    Registry* registry_ = nullptr;
    std::uint64_t id_ = 0;
  };
  // kCounter or kGauge, one series without labels.
  [[nodiscard]] Callback AddCallback(MetricType type, FamilyOptions options,
                                     std::function<std::int64_t()> read);

  // OpenMetrics 1.0 text: families in the order they were added, those without series left out, "#
  // EOF" last.
  std::string Text() const;

  // Removes series of families that expire which nobody holds and which have not counted for
  // `idle`. Call it about once a minute.
  void ExpireIdle(std::chrono::steady_clock::time_point now,
                  std::chrono::steady_clock::duration idle);

 private:
  struct CallbackEntry {
    std::uint64_t id;
    MetricType type;
    FamilyOptions options;
    std::function<std::int64_t()> read;
  };

  template <class T>
  FamilyOf<T>& Add(MetricType type, FamilyOptions options, std::vector<double> bounds);
  void RemoveCallback(std::uint64_t id);

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Family>> families_;
  // Held while callbacks run: the end of a registration waits for them.
  mutable std::mutex callback_mutex_;
  std::vector<CallbackEntry> callbacks_;
  std::uint64_t next_callback_ = 1;
  CounterFamily& overflows_;
};

}  // namespace aquifer::obs
