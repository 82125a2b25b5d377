// The file of CRL_PATH, read when the proxy starts and again when it changes. What it says of
// trust:
//   no file                         nothing is revoked: its ConfigMap is optional in Istio
//   a file that was never readable  no new HBONE peer is taken, and the proxy is not ready
//   a file that was readable once   the last good one counts, whatever becomes of it
// so that a broken file never takes a revocation back. Owned by the program's Proxy, on the control
// loop.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "certs/crl.h"
#include "certs/wall_clock.h"
#include "core/base/file_stamp.h"
#include "core/io/dir_watch.h"
#include "core/obs/log.h"
#include "core/obs/metrics.h"

namespace aquifer::proxy {

class CrlWatch {
 public:
  using Changed = std::function<void(const certs::CrlSetRef&)>;

  // Reads the file. The references outlive this.
  CrlWatch(std::string path, obs::Logger& log, obs::Registry& registry);

  // What counts now; null: nobody can be trusted.
  const certs::CrlSetRef& lists() const { return lists_; }
  // Looks at each change until `stop`, and tells of other lists.
  Task<void> Run(Changed changed, StopToken stop);

 private:
  void Look();
  void Take(const std::string& content);
  void Missing();
  void Broken(std::string_view outcome, const std::string& why);
  void CountRead(std::string_view outcome, bool usable);
  void WarnOfOld() const;

  const std::string path_;
  obs::Logger& log_;
  obs::CounterFamily& reads_;
  const obs::Handle<obs::Gauge> usable_;
  const obs::Handle<obs::Gauge> entries_;
  io::DirWatch directory_;
  certs::CrlSetRef lists_ = certs::CrlSet::None();
  bool had_one_ = false;  // lists_ came from the file
  bool looked_ = false;
  std::optional<FileStamp> seen_;
  std::string digest_;  // of what was read last, or why it was not
};

}  // namespace aquifer::proxy
