// An API server in this process, as far as its clients see one: lists in pages, watches that go on
// from a resourceVersion, single objects, over HTTP/2 and TLS on loopback, with the ways in which
// real ones fail. Selectors of fields are noted, not followed. One thread: its Loop's.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "certs/local_ca.h"
#include "certs/tls_context.h"
#include "core/http/h2_connection.h"
#include "core/io/socket.h"
#include "core/rt/scope.h"
#include "kube/access.h"
#include "kube/fields.h"

namespace aquifer::kube {

class ApiServer {
 public:
  static constexpr const char* kToken = "let-me-in";

  // Answers at once; kinds are served once Serve has named them.
  ApiServer();
  Task<void> End();
  ClusterAccess access() const;

  // `path` as in "/api/v1/pods". Put and Remove tell those who watch.
  void Put(const std::string& path, const std::string& object_json);
  void Remove(const std::string& path, const std::string& name);
  // Without telling anybody: what a watch has missed.
  void Forget(const std::string& path, const std::string& name);
  void Bookmark(const std::string& path);
  // The body of an event as it is.
  void Say(const std::string& path, const std::string& line);

  void Serve(const std::string& path) { served_.insert(path); }
  void StopServing(const std::string& path);
  // So many requests of that path are answered so; 0: as usual.
  void Answer(const std::string& path, int status, const std::string& message = "",
              size_t times = SIZE_MAX);
  // What is said of a token: the status of its TokenReview. Of others that nobody knows them.
  void Vouch(const std::string& token, const std::string& status_json);
  int reviews() const { return reviews_; }
  // Of those no answer comes from now on.
  void HoldUnknownReviews() { hold_unknown_reviews_ = true; }
  // Positions before the present one are too old to watch from.
  void Compact() { oldest_ = version_; }
  // Ends all watches in good order.
  void EndWatches();
  // Breaks all connections.
  void BreakConnections();
  // Larger pages cannot be read.
  void SpoilPagesOver(size_t objects) { most_page_objects_ = objects; }

  // Of single objects: GET, POST, PUT, DELETE and PATCH (server-side apply, by which conditions of
  // a status are merged by their types; merge patches of a status, which may bring annotations).
  // What was sent, in the order in which it came.
  struct Sent {
    std::string method;
    std::string target;  // with the query
    std::string content_type;
    Json body;
  };
  const std::vector<Sent>& sent() const { return sent_; }
  // What happens once a request has come, and before it is looked at what there is.
  void Before(std::function<void(const Sent&)> happens) { before_ = std::move(happens); }
  // The object of that name as it is now; null if there is none.
  const Json* Find(const std::string& path, const std::string& name) const;

  struct Counts {
    int lists = 0;    // first pages
    int pages = 0;    // all pages
    int watches = 0;  // that were answered with 200
    int refused = 0;
    std::string position;  // of the last watch
    std::string selector;  // of fields, of the last list or watch
  };
  Counts& CountsOf(const std::string& path) { return counts_[path]; }
  int connections() const { return connections_; }
  // Woken by each request and each change.
  Event& news() { return news_; }

 private:
  struct Change {
    int version;
    std::string line;
  };
  struct Prepared {
    int status;
    std::string message;
    size_t times;
  };
  struct Resource {
    std::map<std::string, Json> objects;  // by "namespace/name"
    std::vector<Change> changes;
  };

  Task<void> AcceptLoop();
  Task<void> ServeConnection(io::SocketPtr socket);
  Task<void> ServeStream(http::H2StreamPtr stream, StopToken stop);
  Task<void> ReviewToken(http::H2Stream& stream, StopToken stop);
  Task<void> ServeObject(http::H2Stream& stream, StopToken stop);
  std::pair<int, Json> AnswerTo(const Sent& request);
  std::pair<int, Json> Apply(const std::string& path, const std::string& name, const Json& body);
  std::pair<int, Json> Delete(const std::string& path, const std::string& name,
                              const Json& options);
  Task<std::optional<std::string>> ReadBody(http::H2Stream& stream, StopToken stop);
  Task<void> Reply(http::H2Stream& stream, int status, std::string body, StopToken stop);
  std::string ListPage(const std::string& path, const std::map<std::string, std::string>& query);
  Task<void> Watch(http::H2Stream& stream, std::string path,
                   std::map<std::string, std::string> query, StopToken stop);
  void Note(const std::string& path, const std::string& type, const Json& object);
  void Tell(const std::string& path, const std::string& line);

  StopSource stop_;
  std::list<StopSource> connection_stops_;  // the last one is of those that live
  certs::LocalCa ca_;
  certs::TlsContextRef tls_;
  std::unique_ptr<io::Listener> listener_;
  std::set<std::string> served_;
  std::map<std::string, Resource> resources_;
  std::map<std::string, Prepared> answers_;  // by path
  std::map<std::string, Counts> counts_;
  std::map<std::string, Json> vouched_;
  std::vector<Sent> sent_;
  std::function<void(const Sent&)> before_ = [](const Sent&) {};
  int reviews_ = 0;
  bool hold_unknown_reviews_ = false;
  int version_ = 100;
  int oldest_ = 0;
  int watch_generation_ = 0;
  int connections_ = 0;
  size_t most_page_objects_ = SIZE_MAX;
  Event news_;
  Scope tasks_;
};

}  // namespace aquifer::kube
