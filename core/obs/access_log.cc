#include "core/obs/access_log.h"

#include <string>
#include <vector>

namespace aquifer::obs {
namespace {

std::string_view DirectionWord(Direction direction) {
  return direction == Direction::kInbound ? "inbound" : "outbound";
}

// The fields of one line. In the text format addresses stand bare and names in quotes, whatever
// they hold, as readers of these lines expect.
class Line {
 public:
  explicit Line(const AccessEntry& entry)
      : entry_(entry),
        source_(entry.source.address.ToString()),
        destination_(entry.destination.address.ToString()) {
    fields_.reserve(17);
  }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  void AddAddresses() {
    fields_.push_back({"src.addr", source_});
    fields_.push_back({"dst.addr", destination_});
  }
  void AddPeers() {
    fields_.push_back({"src.addr", source_});
    AddName("src.workload", entry_.source.workload);
    AddName("src.namespace", entry_.source.workload_namespace);
    AddName("src.identity", entry_.source.identity);
    AddName("src.cluster", entry_.source.cluster);
    fields_.push_back({"dst.addr", destination_});
    if (!entry_.hbone_target.empty()) fields_.push_back({"dst.hbone_addr", entry_.hbone_target});
    AddName("dst.service", entry_.service);
    AddName("dst.workload", entry_.destination.workload);
    AddName("dst.namespace", entry_.destination.workload_namespace);
    AddName("dst.identity", entry_.destination.identity);
    AddName("dst.cluster", entry_.destination.cluster);
  }
  void AddDirection() { AddName("direction", DirectionWord(entry_.direction)); }
  void AddTotals() {
    const bool inbound = entry_.direction == Direction::kInbound;
    fields_.push_back(
        {"bytes_sent", inbound ? entry_.server_to_client_bytes : entry_.client_to_server_bytes});
    fields_.push_back(
        {"bytes_recv", inbound ? entry_.client_to_server_bytes : entry_.server_to_client_bytes});
    duration_ = std::to_string(entry_.duration.count()) + "ms";
    AddName("duration", duration_);
  }
  void AddError() { AddName("error", entry_.error); }

  void Write(Logger& log, Level level, std::string_view message) const {
    log.Log(level, kAccessScope, message, fields_);
  }
  void WriteLimited(Logger& log, RateLimiter& limiter, Level level,
                    std::string_view message) const {
    log.Limited(limiter, level, kAccessScope, message, fields_);
  }

 private:
  void AddName(std::string_view key, std::string_view name) {
    if (!name.empty()) fields_.push_back({key, Quoted{name}});
  }

  const AccessEntry& entry_;
  const std::string source_;
  const std::string destination_;
  std::string duration_;
  std::vector<Field> fields_;
};

}  // namespace

void LogConnectionOpened(Logger& log, const AccessEntry& entry) {
  if (!log.enabled(Level::kDebug, kAccessScope)) return;
  Line line(entry);
  line.AddPeers();
  line.AddDirection();
  line.Write(log, Level::kDebug, "connection opened");
}

void LogConnectionComplete(Logger& log, const AccessEntry& entry) {
  const Level level = entry.error.empty() ? Level::kInfo : Level::kError;
  if (!log.enabled(level, kAccessScope)) return;
  Line line(entry);
  line.AddPeers();
  line.AddDirection();
  line.AddTotals();
  line.AddError();
  line.Write(log, level, "connection complete");
}

void LogConnectionFailed(Logger& log, RateLimiter& limiter, const AccessEntry& entry) {
  if (!log.enabled(Level::kWarn, kAccessScope)) return;
  Line line(entry);
  line.AddAddresses();
  line.AddDirection();
  line.AddError();
  line.WriteLimited(log, limiter, Level::kWarn, "connection failed");
}

}  // namespace aquifer::obs
