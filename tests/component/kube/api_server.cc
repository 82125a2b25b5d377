#include "tests/component/kube/api_server.h"

#include <algorithm>

#include "certs/tls_stream.h"
#include "certs/wall_clock.h"
#include "tests/support/catch.h"

namespace aquifer::kube {
namespace {

const std::string kTokenReviews = "/apis/authentication.k8s.io/v1/tokenreviews";

using Query = std::map<std::string, std::string>;

Query QueryOf(std::string_view text) {
  Query query;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(pair.size() + 1, text.size()));
    const size_t equals = pair.find('=');
    query[std::string(pair.substr(0, equals))] = std::string(pair.substr(equals + 1));
  }
  return query;
}

// Of one object or of all of a kind.
struct Place {
  std::string collection;  // of all namespaces
  std::string name;        // empty: it is the collection
};

Place PlaceOf(std::string_view path) {
  std::vector<std::string> words;
  path = path.substr(0, path.find('?'));
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    words.emplace_back(path.substr(0, path.find('/')));
    path.remove_prefix(words.back().size());
  }
  const size_t prefix = !words.empty() && words[0] == "api" ? 2 : 3;
  if (words.size() > prefix + 2 && words[prefix] == "namespaces")
    words.erase(words.begin() + static_cast<std::ptrdiff_t>(prefix),
                words.begin() + static_cast<std::ptrdiff_t>(prefix) + 2);
  Place place;
  for (size_t i = 0; i < words.size() && i <= prefix; ++i) place.collection += "/" + words[i];
  if (words.size() > prefix + 1) place.name = words[prefix + 1];
  return place;
}

bool IsOfStatus(std::string_view target) {
  return target.substr(0, target.find('?')).ends_with("/status");
}

// Whether an object carries the one label that a query asks for, if it asks for one.
bool IsSelected(const Json& object, const Query& query) {
  const auto selector = query.find("labelSelector");
  if (selector == query.end()) return true;
  std::string text = selector->second;
  for (const auto& [from, to] : {std::pair("%2F", "/"), std::pair("%3D", "=")}) {
    for (size_t at = text.find(from); at != std::string::npos; at = text.find(from))
      text.replace(at, 3, to);
  }
  const size_t equals = text.find('=');
  const Json labels = object.at("metadata").value("labels", Json::object());
  return labels.value(text.substr(0, equals), "") == text.substr(equals + 1);
}

// As a list whose key is the type of its items.
void ApplyConditions(const Json& from, Json& to) {
  for (const Json& item : from) {
    const auto same = std::find_if(
        to.begin(), to.end(), [&](const Json& other) { return other["type"] == item["type"]; });
    if (same == to.end()) {
      to.push_back(item);
    } else {
      *same = item;
    }
  }
}

std::string StatusBody(int code, const std::string& message) {
  return Json{{"kind", "Status"}, {"code", code}, {"message", message}}.dump();
}

certs::TlsContextRef ServerContext(const certs::LocalCa& ca) {
  certs::PrivateKey key = certs::PrivateKey::Generate();
  certs::SubjectNames names;
  names.ips.push_back(Ip::Loopback4());
  const auto leaf =
      ca.IssueServer(key.get(), names, std::chrono::hours(1), certs::SystemWallTime());
  REQUIRE(leaf.ok());
  const std::vector<std::string> chain = ca.ResponseChain(*leaf);
  const auto bundle = certs::CertificateBundle::FromResponse(std::move(key), chain);
  REQUIRE(bundle.ok());
  return certs::TlsContext::HostServer(*bundle, certs::PeerCertificate::kNone);
}

}  // namespace

ApiServer::ApiServer()
    : ca_(certs::LocalCa::Create("test", certs::SystemWallTime())), tls_(ServerContext(ca_)) {
  auto listener = io::Listener::Listen({Ip::Loopback4(), 0});
  REQUIRE(listener.ok());
  listener_ = *std::move(listener);
  connection_stops_.emplace_back(stop_.token());
  tasks_.Spawn(AcceptLoop());
}

Task<void> ApiServer::End() {
  stop_.RequestStop();
  co_await tasks_.Join();
}

ClusterAccess ApiServer::access() const {
  ClusterAccess access;
  access.address = listener_->local().ToString();
  access.host_name = "127.0.0.1";
  access.roots = ca_.roots()->pem();
  access.token = kToken;
  return access;
}

void ApiServer::Note(const std::string& path, const std::string& type, const Json& object) {
  Tell(path, Json{{"type", type}, {"object", object}}.dump() + "\n");
}

void ApiServer::Say(const std::string& path, const std::string& line) {
  ++version_;
  Tell(path, line);
}

void ApiServer::Tell(const std::string& path, const std::string& line) {
  resources_[path].changes.push_back({version_, line});
  news_.Wake();
}

void ApiServer::Put(const std::string& path, const std::string& object_json) {
  Json object = Json::parse(object_json);
  object["metadata"]["resourceVersion"] = std::to_string(++version_);
  Resource& resource = resources_[path];
  const std::string name = object["metadata"]["name"].get<std::string>();
  const bool added = resource.objects.insert_or_assign(name, object).second;
  Note(path, added ? "ADDED" : "MODIFIED", object);
}

void ApiServer::Remove(const std::string& path, const std::string& name) {
  Json object = resources_[path].objects.at(name);
  object["metadata"]["resourceVersion"] = std::to_string(++version_);
  resources_[path].objects.erase(name);
  Note(path, "DELETED", object);
}

void ApiServer::Forget(const std::string& path, const std::string& name) {
  ++version_;
  resources_[path].objects.erase(name);
}

void ApiServer::Bookmark(const std::string& path) {
  ++version_;
  Note(path, "BOOKMARK", {{"metadata", {{"resourceVersion", std::to_string(version_)}}}});
}

void ApiServer::StopServing(const std::string& path) {
  served_.erase(path);
  EndWatches();
}

void ApiServer::Answer(const std::string& path, int status, const std::string& message,
                       size_t times) {
  answers_.erase(path);
  if (status != 0) answers_[path] = {status, message, times};
}

void ApiServer::EndWatches() {
  ++watch_generation_;
  news_.Wake();
}

void ApiServer::BreakConnections() {
  StopSource& old = connection_stops_.back();
  connection_stops_.emplace_back(stop_.token());
  old.RequestStop();
}

Task<void> ApiServer::AcceptLoop() {
  while (!stop_.requested()) {
    Result<io::SocketPtr> socket = co_await listener_->Accept(stop_.token());
    if (!socket.ok()) co_return;
    ++connections_;
    tasks_.Spawn(ServeConnection(*std::move(socket)));
  }
}

Task<void> ApiServer::ServeConnection(io::SocketPtr socket) {
  StopSource own(connection_stops_.back().token());
  io::StreamPtr carrier = std::move(socket);
  certs::PeerExpectation nobody = certs::OneOf{};
  auto secure = co_await certs::ServerHandshake(std::move(carrier), tls_, std::move(nobody),
                                                certs::SystemWallTime(), own.token());
  if (!secure.ok()) co_return;
  Scope streams;
  http::H2Connection connection(http::H2Role::kServer, *std::move(secure), http::H2Options(),
                                [&](http::H2StreamPtr stream) {
                                  streams.Spawn(ServeStream(std::move(stream), own.token()));
                                });
  std::ignore = co_await connection.Run(own.token());
  own.RequestStop();
  co_await streams.Join();
}

Task<void> ApiServer::ServeStream(http::H2StreamPtr stream, StopToken stop) {
  const std::string target = stream->request().path;
  const size_t mark = std::min(target.find('?'), target.size());
  const std::string path = target.substr(0, mark);
  Query query = QueryOf(std::string_view(target).substr(std::min(mark + 1, target.size())));
  const auto token = stream->request().headers.Get("authorization");
  const auto answer = answers_.find(path);
  int status = 200;
  std::string message;
  if (token != std::string("Bearer ") + kToken) {
    status = 401;
  } else if (answer != answers_.end()) {
    status = answer->second.status;
    message = answer->second.message;
    if (--answer->second.times == 0) answers_.erase(answer);
  } else if (!served_.contains(PlaceOf(path).collection) && path != kTokenReviews) {
    status = 404;
  }
  news_.Wake();
  if (status != 200) {
    ++counts_[path].refused;
    std::ignore = co_await ReadBody(*stream, stop);
    std::string body = StatusBody(status, message);
    co_await Reply(*stream, status, std::move(body), stop);
  } else if (path == kTokenReviews) {
    co_await ReviewToken(*stream, stop);
  } else if (stream->request().method != "GET" || !PlaceOf(path).name.empty()) {
    co_await ServeObject(*stream, stop);
  } else if (query.contains("watch")) {
    counts_[path].selector = query["fieldSelector"];
    co_await Watch(*stream, path, std::move(query), stop);
  } else {
    counts_[path].selector = query["fieldSelector"];
    std::string body = ListPage(path, query);
    co_await Reply(*stream, 200, std::move(body), stop);
  }
}

Task<void> ApiServer::ServeObject(http::H2Stream& stream, StopToken stop) {
  Sent request{stream.request().method, stream.request().path, "", Json()};
  request.content_type = std::string(stream.request().headers.Get("content-type").value_or(""));
  const std::optional<std::string> text = co_await ReadBody(stream, stop);
  if (!text) co_return;
  if (!text->empty()) request.body = Json::parse(*text);
  before_(request);
  auto [status, answer] = AnswerTo(request);
  if (request.method == "GET") {
    ++counts_[request.target].pages;
  } else {
    sent_.push_back(std::move(request));
  }
  news_.Wake();
  std::string body = status < 300 ? answer.dump() : StatusBody(status, "refused");
  co_await Reply(stream, status, std::move(body), stop);
}

std::pair<int, Json> ApiServer::AnswerTo(const Sent& request) {
  Place place = PlaceOf(request.target);
  if (place.name.empty()) place.name = request.body["metadata"]["name"].get<std::string>();
  const Json* present = Find(place.collection, place.name);
  if (request.method == "POST") {
    if (present != nullptr) return {409, Json()};
    Put(place.collection, request.body.dump());
    return {201, *Find(place.collection, place.name)};
  }
  const bool merges = request.content_type == "application/merge-patch+json";
  if (request.method == "PATCH" && !merges && !IsOfStatus(request.target))
    return Apply(place.collection, place.name, request.body);
  if (present == nullptr) return {404, Json()};
  if (request.method == "GET") return {200, *present};
  if (request.method == "DELETE") return Delete(place.collection, place.name, request.body);
  Json next = *present;
  const Json metadata = request.body.value("metadata", Json::object());
  const std::string version = metadata.value("resourceVersion", "");
  if (!version.empty() && Json(version) != next["metadata"]["resourceVersion"])
    return {409, Json()};
  if (request.method == "PUT") {
    next = request.body;
  } else if (merges) {
    if (metadata.contains("uid") && metadata["uid"] != next["metadata"]["uid"])
      return {409, Json()};
    next.merge_patch(request.body);
  } else {
    Json status = request.body["status"];
    Json conditions = next["status"].is_object() ? next["status"].value("conditions", Json::array())
                                                 : Json::array();
    ApplyConditions(status.value("conditions", Json::array()), conditions);
    status["conditions"] = conditions;
    next["status"].merge_patch(status);
  }
  Put(place.collection, next.dump());
  return {200, *Find(place.collection, place.name)};
}

// What is wanted is put over what is there; lists are replaced.
std::pair<int, Json> ApiServer::Apply(const std::string& path, const std::string& name,
                                      const Json& body) {
  const Json* present = Find(path, name);
  Json next = present == nullptr ? Json::object() : *present;
  next.merge_patch(body);
  if (present == nullptr) next["metadata"]["uid"] = "uid-" + std::to_string(version_);
  Put(path, next.dump());
  return {present == nullptr ? 201 : 200, *Find(path, name)};
}

std::pair<int, Json> ApiServer::Delete(const std::string& path, const std::string& name,
                                       const Json& options) {
  const Json present = *Find(path, name);
  if (options.at("preconditions").at("uid") != present.at("metadata").at("uid"))
    return {409, Json()};
  Remove(path, name);
  return {200, present};
}

const Json* ApiServer::Find(const std::string& path, const std::string& name) const {
  const auto resource = resources_.find(path);
  if (resource == resources_.end()) return nullptr;
  const auto object = resource->second.objects.find(name);
  return object == resource->second.objects.end() ? nullptr : &object->second;
}

// Nothing if the client has gone.
Task<std::optional<std::string>> ApiServer::ReadBody(http::H2Stream& stream, StopToken stop) {
  std::string body;
  while (true) {
    const Result<Chunk> chunk = co_await stream.Read(stop);
    if (!chunk.ok()) co_return std::nullopt;
    if (chunk->empty()) co_return body;
    body.append(chunk->text());
  }
}

Task<void> ApiServer::Reply(http::H2Stream& stream, int status, std::string body, StopToken stop) {
  http::ResponseHead head;
  head.status = status;
  std::ignore = stream.Respond(head, http::EndStream::kNo);
  Chunk chunk = Chunk::CopyOf(std::string_view(body));
  std::ignore = co_await stream.Write(std::move(chunk), stop);
  std::ignore = co_await stream.ShutdownWrite(stop);
}

void ApiServer::Vouch(const std::string& token, const std::string& status_json) {
  vouched_[token] = Json::parse(status_json);
}

Task<void> ApiServer::ReviewToken(http::H2Stream& stream, StopToken stop) {
  const std::optional<std::string> body = co_await ReadBody(stream, stop);
  if (!body) co_return;
  ++reviews_;
  Json review = Json::parse(*body);
  const auto vouched = vouched_.find(review["spec"]["token"].get<std::string>());
  news_.Wake();
  if (hold_unknown_reviews_ && vouched == vouched_.end()) {
    Event never;
    std::ignore = co_await never.Wait(stop);
    co_return;
  }
  review["status"] = vouched == vouched_.end() ? Json{{"error", "unknown"}} : vouched->second;
  std::string answer = review.dump();
  co_await Reply(stream, 201, std::move(answer), stop);
}

std::string ApiServer::ListPage(const std::string& path, const Query& query) {
  const auto from = query.find("continue");
  const size_t limit = std::stoul(query.at("limit"));
  Counts& counts = counts_[path];
  ++counts.pages;
  if (from == query.end()) ++counts.lists;
  if (limit > most_page_objects_) return "{}";
  const auto& objects = resources_[path].objects;
  // The token is the name of the last object and a slash, which has to be escaped in a query.
  auto at = objects.begin();
  if (from != query.end()) {
    const std::string last = from->second.substr(0, from->second.find("%2F"));
    REQUIRE(last.size() < from->second.size());
    at = objects.upper_bound(last);
  }
  Json list = {{"metadata", {{"resourceVersion", std::to_string(version_)}}},
               {"items", Json::array()}};
  std::string last;
  for (; at != objects.end() && list["items"].size() < limit; ++at) {
    if (IsSelected(at->second, query)) list["items"].push_back(at->second);
    last = at->first;
  }
  if (at != objects.end()) list["metadata"]["continue"] = last + "/";
  return list.dump();
}

Task<void> ApiServer::Watch(http::H2Stream& stream, std::string path, Query query, StopToken stop) {
  const int position = std::stoi(query["resourceVersion"]);
  if (position < oldest_) {
    ++counts_[path].refused;
    std::string body = StatusBody(410, "too old resource version");
    co_await Reply(stream, 410, std::move(body), stop);
    co_return;
  }
  ++counts_[path].watches;
  counts_[path].position = query["resourceVersion"];
  news_.Wake();
  http::ResponseHead head;
  head.status = 200;
  std::ignore = stream.Respond(head, http::EndStream::kNo);
  StopSource ended(stop);
  const StopLink link(stream.gone(), ended);
  const int generation = watch_generation_;
  size_t next = 0;
  while (!ended.requested()) {
    const std::vector<Change>& changes = resources_[path].changes;
    for (; next < changes.size(); ++next) {
      if (changes[next].version <= position) continue;
      Chunk line = Chunk::CopyOf(std::string_view(changes[next].line));
      std::ignore = co_await stream.Write(std::move(line), ended.token());
    }
    if (generation != watch_generation_) break;
    std::ignore = co_await news_.Wait(ended.token());
  }
  std::ignore = co_await stream.ShutdownWrite(stop);
}

}  // namespace aquifer::kube
