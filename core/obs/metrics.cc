#include "core/obs/metrics.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/obs/escape.h"

namespace aquifer::obs {
namespace {

std::string Encode(Labels labels, std::string_view value_of_all = {}) {
  std::string text;
  for (const Label& label : labels) {
    if (!text.empty()) text += ',';
    text += label.name;
    text += "=\"";
    AppendLabelValue(text, value_of_all.empty() ? CutText(label.value, Family::kMaxLabelValueBytes)
                                                : value_of_all);
    text += '"';
  }
  return text;
}

std::string_view TypeWord(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      return "histogram";
  }
  AQ_CHECK(false);
}

void AppendComment(std::string& out, std::string_view what, std::string_view name,
                   std::string_view text) {
  out += "# ";
  out += what;
  out += ' ';
  out += name;
  out += ' ';
  out += text;
  out += '\n';
}

// HELP, TYPE and UNIT. The help ends in a full stop, as it does where the names come from.
void AppendHead(std::string& out, MetricType type, const FamilyOptions& options) {
  std::string help;
  AppendLabelValue(help, options.help);
  help += '.';
  AppendComment(out, "HELP", options.name, help);
  AppendComment(out, "TYPE", options.name, TypeWord(type));
  if (!options.unit.empty()) AppendComment(out, "UNIT", options.name, options.unit);
}

}  // namespace

Family::Family(MetricType type, FamilyOptions options, std::vector<double> bounds,
               std::function<void()> on_overflow)
    : type_(type),
      options_(std::move(options)),
      bounds_(std::move(bounds)),
      on_overflow_(std::move(on_overflow)) {
  AQ_CHECK(std::ranges::is_sorted(bounds_));
  AQ_CHECK(options_.unit.empty() || options_.name.ends_with("_" + options_.unit));
}

template <class T>
Handle<T> Family::Find(Labels labels) {
  std::string text = Encode(labels);
  {
    const std::lock_guard lock(mutex_);
    const auto known = by_labels_.find(text);
    if (known != by_labels_.end()) return Handle<T>(static_cast<T&>(*known->second));
    // A family without labels has its one series, whatever the bound.
    if (series_.size() - (overflow_ != nullptr ? 1 : 0) < options_.max_series || labels.empty()) {
      return Handle<T>(static_cast<T&>(Create(std::move(text))));
    }
  }
  return FindOverflow<T>(labels);
}

template <class T>
Handle<T> Family::FindOverflow(Labels labels) {
  on_overflow_();
  const std::lock_guard lock(mutex_);
  return Handle<T>(static_cast<T&>(Overflow(labels)));
}

template Handle<Counter> Family::Find<Counter>(Labels);
template Handle<Gauge> Family::Find<Gauge>(Labels);
template Handle<Histogram> Family::Find<Histogram>(Labels);
template Handle<Counter> Family::FindOverflow<Counter>(Labels);
template Handle<Gauge> Family::FindOverflow<Gauge>(Labels);
template Handle<Histogram> Family::FindOverflow<Histogram>(Labels);

Series& Family::Create(std::string labels) {
  std::unique_ptr<Series> series;
  switch (type_) {
    case MetricType::kCounter:
      series = std::make_unique<Counter>(std::move(labels));
      break;
    case MetricType::kGauge:
      series = std::make_unique<Gauge>(std::move(labels));
      break;
    case MetricType::kHistogram:
      series = std::make_unique<Histogram>(std::move(labels), bounds_);
      break;
  }
  Series& created = *series;
  by_labels_.emplace(created.labels(), &created);
  series_.push_back(std::move(series));
  return created;
}

Series& Family::Overflow(Labels labels) {
  if (overflow_ != nullptr) return *overflow_;
  std::string text = Encode(labels, "other");
  const auto known = by_labels_.find(text);
  overflow_ = known != by_labels_.end() ? known->second : &Create(std::move(text));
  return *overflow_;
}

size_t Family::series_count() const {
  const std::lock_guard lock(mutex_);
  return series_.size();
}

std::vector<Handle<Series>> Family::Pinned() const {
  std::vector<Handle<Series>> pinned;
  const std::lock_guard lock(mutex_);
  pinned.reserve(series_.size());
  for (const auto& series : series_) pinned.emplace_back(*series);
  return pinned;
}

// Text is made without the lock: a scrape of many series must not hold up those who open
// connections.
void Family::Write(std::string& out) const {
  const std::vector<Handle<Series>> pinned = Pinned();
  if (pinned.empty()) return;
  AppendHead(out, type_, options_);
  for (const Handle<Series>& series : pinned) series->Write(options_.name, out);
}

void Family::ExpireIdle(std::chrono::steady_clock::time_point now,
                        std::chrono::steady_clock::duration idle) {
  if (!options_.expires) return;
  const std::lock_guard lock(mutex_);
  std::erase_if(series_, [&](const std::unique_ptr<Series>& series) {
    const bool held = series->handles_.load(std::memory_order_acquire) != 0;
    const std::uint64_t mark = series->Mark();
    const bool seen_before = series->changed_ != std::chrono::steady_clock::time_point{};
    if (held || !seen_before || mark != series->mark_) {
      series->mark_ = mark;
      series->changed_ = now;
      return false;
    }
    if (now - series->changed_ < idle) return false;
    by_labels_.erase(series->labels());
    if (series.get() == overflow_) overflow_ = nullptr;
    return true;
  });
}

Registry::Callback::~Callback() {
  if (registry_ != nullptr) registry_->RemoveCallback(id_);
}

Registry::Registry()
    : overflows_(
          AddCounter({.name = "aquifer_metric_overflows",
                      .help = "Label sets counted as \"other\" because their family was full"})) {}

template <class T>
FamilyOf<T>& Registry::Add(MetricType type, FamilyOptions options, std::vector<double> bounds) {
  const std::lock_guard lock(mutex_);
  for (const auto& family : families_) {
    if (family->options().name != options.name) continue;
    AQ_CHECK(family->type() == type);
    return static_cast<FamilyOf<T>&>(*family);
  }
  std::string name = options.name;
  auto family = std::make_unique<FamilyOf<T>>(
      type, std::move(options), std::move(bounds),
      [this, name = std::move(name)] { overflows_.With({{"family", name}})->Add(); });
  FamilyOf<T>& added = *family;
  families_.push_back(std::move(family));
  return added;
}

CounterFamily& Registry::AddCounter(FamilyOptions options) {
  return Add<Counter>(MetricType::kCounter, std::move(options), {});
}

GaugeFamily& Registry::AddGauge(FamilyOptions options) {
  return Add<Gauge>(MetricType::kGauge, std::move(options), {});
}

HistogramFamily& Registry::AddHistogram(FamilyOptions options, std::vector<double> bounds) {
  return Add<Histogram>(MetricType::kHistogram, std::move(options), std::move(bounds));
}

Registry::Callback Registry::AddCallback(MetricType type, FamilyOptions options,
                                         std::function<std::int64_t()> read) {
  AQ_CHECK(type != MetricType::kHistogram);
  const std::lock_guard lock(callback_mutex_);
  callbacks_.push_back({next_callback_, type, std::move(options), std::move(read)});
  return Callback(*this, next_callback_++);
}

void Registry::RemoveCallback(std::uint64_t id) {
  const std::lock_guard lock(callback_mutex_);
  std::erase_if(callbacks_, [id](const CallbackEntry& entry) { return entry.id == id; });
}

std::string Registry::Text() const {
  std::vector<const Family*> families;  // families are never removed
  {
    const std::lock_guard lock(mutex_);
    for (const auto& family : families_) families.push_back(family.get());
  }
  std::string out;
  for (const Family* family : families) family->Write(out);
  {
    const std::lock_guard lock(callback_mutex_);
    for (const CallbackEntry& entry : callbacks_) {
      AppendHead(out, entry.type, entry.options);
      out += entry.options.name;
      out += entry.type == MetricType::kCounter ? "_total " : " ";
      out += std::to_string(entry.read());
      out += '\n';
    }
  }
  out += "# EOF\n";
  return out;
}

void Registry::ExpireIdle(std::chrono::steady_clock::time_point now,
                          std::chrono::steady_clock::duration idle) {
  const std::lock_guard lock(mutex_);
  for (const auto& family : families_) family->ExpireIdle(now, idle);
}

}  // namespace aquifer::obs
