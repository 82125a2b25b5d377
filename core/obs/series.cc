#include "core/obs/series.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace aquifer::obs {
namespace {

template <class... How>
std::string_view Print(std::array<char, 32>& buffer, How... number) {
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number...).ptr;
  return {buffer.data(), end};
}

// The canonical number of OpenMetrics 1.0: a whole one has ".0", and no exponent where one can do
// without, so that le="0.0005" is one series whoever prints it.
std::string PrintReal(double number) {
  if (std::isinf(number)) return number > 0 ? "+Inf" : "-Inf";
  if (std::isnan(number)) return "NaN";
  std::array<char, 32> buffer;
  const double size = std::abs(number);
  const bool plain = size == 0 || (size >= 1e-6 && size < 1e15);
  std::string text(plain ? Print(buffer, number, std::chars_format::fixed) : Print(buffer, number));
  if (text.find_first_of(".e") == text.npos) text += ".0";
  return text;
}

void AppendSample(std::string& out, std::string_view name, std::string_view suffix,
                  std::string_view first_labels, std::string_view labels, std::string_view value) {
  out += name;
  out += suffix;
  if (!first_labels.empty() || !labels.empty()) {
    out += '{';
    out += first_labels;
    if (!first_labels.empty() && !labels.empty()) out += ',';
    out += labels;
    out += '}';
  }
  out += ' ';
  out += value;
  out += '\n';
}

}  // namespace

void Counter::Write(std::string_view name, std::string& out) const {
  std::array<char, 32> buffer;
  AppendSample(out, name, "_total", "", labels(), Print(buffer, value()));
}

void Gauge::Write(std::string_view name, std::string& out) const {
  std::array<char, 32> buffer;
  AppendSample(out, name, "", "", labels(), Print(buffer, value()));
}

void Histogram::Observe(double value) {
  const size_t bucket =
      static_cast<size_t>(std::ranges::lower_bound(bounds_, value) - bounds_.begin());
  buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::uint64_t Histogram::count() const {
  std::uint64_t count = 0;
  for (const auto& bucket : buckets_) count += bucket.load(std::memory_order_relaxed);
  return count;
}

void Histogram::Write(std::string_view name, std::string& out) const {
  std::array<char, 32> buffer;
  std::string buckets;
  // The count is the sum of what is printed, so that the last bucket and the count agree.
  std::uint64_t count = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    count += buckets_[i].load(std::memory_order_relaxed);
    const std::string bound = "le=\"" + (i < bounds_.size() ? PrintReal(bounds_[i]) : "+Inf") + '"';
    AppendSample(buckets, name, "_bucket", bound, labels(), Print(buffer, count));
  }
  AppendSample(out, name, "_sum", "", labels(), PrintReal(sum_.load(std::memory_order_relaxed)));
  AppendSample(out, name, "_count", "", labels(), Print(buffer, count));
  out += buckets;
}

}  // namespace aquifer::obs
