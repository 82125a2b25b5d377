// What comes from outside around logs and metrics: level directives of the admin page, and text in
// lines, JSON and labels. A line stays one line, and JSON stays JSON.
#include <array>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/obs/escape.h"
#include "core/obs/log_format.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, size_t size) {
  using namespace aquifer;
  const std::string_view text = AsText({data, size});
  if (const auto filter = obs::LevelFilter::Parse(text); filter.ok()) {
    AQ_CHECK(*obs::LevelFilter::Parse(filter->ToString()) == *filter);
  }
  const std::array<obs::Field, 2> fields = {obs::Field{"a", text},
                                            obs::Field{"b", obs::Quoted{text}}};
  const obs::LogRecord record{{}, obs::Level::kInfo, "access", text, fields};
  const std::string line = obs::FormatLogLine(obs::LogFormat::kText, record);
  AQ_CHECK(line.find('\n') == line.size() - 1);
  const std::string json = obs::FormatLogLine(obs::LogFormat::kJson, record);
  AQ_CHECK(json.find('\n') == json.size() - 1);
  AQ_CHECK(nlohmann::json::accept(json));
  std::string label;
  obs::AppendLabelValue(label, text);
  AQ_CHECK(label.find('\n') == label.npos);
  return 0;
}
