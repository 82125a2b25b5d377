#include "kube/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

#include "kube/yaml_scalar.h"

namespace aquifer::kube {
namespace {

struct Chunk {
  int line = 0;
  std::string_view text;
};

// Collects the events of one document into a value. After the first refusal it ignores the rest,
// because an exception out of a callback would leave the library in a state of its own.
template <class Value>
class Collector : public YAML::EventHandler {
 public:
  Collector(const YamlLimits& limits, int first_line) : limits_(limits), first_line_(first_line) {}

  Decoded<Value> Take() {
    if (refusal_) return *std::move(refusal_);
    return std::move(root_);
  }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add(mark, anchor, nullptr);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const bool plain = tag == "?" || tag.empty();
    if (!plain && tag != "!" && tag != kStringTag)
      return Refuse(mark, "the tag " + tag + " is not supported");
    Add(mark, anchor, plain ? Value(PlainScalar(value)) : Value(value), plain && value == "<<");
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto known = anchors_.find(anchor);
    if (known == anchors_.end())
      return Refuse(mark, "an alias refers to a value that is not complete");
    if (!Charge(mark, known->second.nodes)) return;
    if (Depth() + known->second.depth > limits_.depth) return Refuse(mark, TooDeep());
    nodes_ -= 1;  // Add charges the top node again
    Value copy = known->second.value;
    const size_t nodes = known->second.nodes;
    const int depth = known->second.depth;
    Add(mark, 0, std::move(copy));
    if (!frames_.empty()) frames_.back().Grow(nodes - 1, depth);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, Value::array());
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, Value::object());
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapEnd() override { Close(); }

 private:
  static constexpr std::string_view kStringTag = "tag:yaml.org,2002:str";

  struct Anchor {
    Value value;
    size_t nodes = 1;
    int depth = 0;  // levels of containers
  };
  struct Frame {
    Value value;
    YAML::anchor_t anchor = 0;
    std::optional<std::string> key;  // of a map, read and waiting for its value
    size_t nodes = 1;
    int depth = 1;  // levels of containers below and with this one

    void Grow(size_t more_nodes, int child_depth) {
      nodes += more_nodes;
      depth = std::max(depth, child_depth + 1);
    }
  };

  int Depth() const { return static_cast<int>(frames_.size()); }
  std::string TooDeep() const {
    return "nested deeper than " + std::to_string(limits_.depth) + " levels";
  }

  void Refuse(const YAML::Mark& mark, std::string why) {
    if (refusal_) return;
    refusal_ =
        Refusal{"line " + std::to_string(first_line_ + std::max(mark.line, 0)), std::move(why)};
    frames_.clear();
    anchors_.clear();
  }

  bool Charge(const YAML::Mark& mark, size_t nodes) {
    if (refusal_) return false;
    nodes_ += nodes;
    if (nodes_ <= limits_.nodes) return true;
    Refuse(mark, "more than " + std::to_string(limits_.nodes) + " values in one document");
    return false;
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Value empty) {
    if (!Charge(mark, 1)) return;
    if (tag != "?" && !tag.empty() && tag != "!")
      return Refuse(mark, "the tag " + tag + " is not supported");
    if (Depth() >= limits_.depth) return Refuse(mark, TooDeep());
    if (WantsKey()) return Refuse(mark, "a key of a mapping must be text");
    frames_.push_back({std::move(empty), anchor, std::nullopt});
  }

  void Close() {
    if (refusal_) return;
    Frame done = std::move(frames_.back());
    frames_.pop_back();
    if (done.anchor != 0) anchors_[done.anchor] = {done.value, done.nodes, done.depth};
    if (!frames_.empty()) frames_.back().Grow(done.nodes, done.depth);
    Put(std::move(done.value));
  }

  bool WantsKey() const {
    return !frames_.empty() && frames_.back().value.is_object() && !frames_.back().key;
  }

  void Add(const YAML::Mark& mark, YAML::anchor_t anchor, Value value, bool merge_key = false) {
    if (!Charge(mark, 1)) return;
    if (WantsKey()) return Key(mark, std::move(value), merge_key);
    if (anchor != 0) anchors_[anchor] = {value, 1, 0};
    if (!frames_.empty()) frames_.back().Grow(1, 0);
    Put(std::move(value));
  }

  void Key(const YAML::Mark& mark, Value key, bool merge_key) {
    if (merge_key) return Refuse(mark, "merge keys (<<) are not supported");
    // kubectl turns numbers and booleans that serve as keys into text, too.
    if (key.is_structured() || key.is_null())
      return Refuse(mark, "a key of a mapping must be text");
    std::string text = key.is_string() ? key.template get<std::string>() : key.dump();
    Frame& map = frames_.back();
    if (map.value.contains(text))
      return Refuse(mark, "the key \"" + PrintableText(text) + "\" is there twice");
    map.nodes += 1;
    map.key = std::move(text);
  }

  void Put(Value value) {
    if (frames_.empty()) {
      root_ = std::move(value);
      return;
    }
    Frame& parent = frames_.back();
    if (parent.value.is_array()) return parent.value.push_back(std::move(value));
    parent.value[*parent.key] = std::move(value);
    parent.key.reset();
  }

  const YamlLimits limits_;
  const int first_line_;
  Value root_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Anchor> anchors_;
  std::optional<Refusal> refusal_;
  size_t nodes_ = 0;
};

bool IsSeparator(std::string_view line, std::string_view mark) {
  if (!line.starts_with(mark)) return false;
  return line.size() == mark.size() || line[mark.size()] == ' ' || line[mark.size()] == '\t' ||
         line[mark.size()] == '\r';
}

// A separator at the start of a line ends a document whatever is open (YAML 1.2, 9.1.2), so the
// text can be cut before it is parsed.
std::vector<Chunk> Split(std::string_view text) {
  std::vector<Chunk> chunks;
  size_t chunk_start = 0;
  int chunk_line = 1;
  int line = 1;
  for (size_t at = 0; at < text.size(); ++line) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view current = text.substr(at, end - at);
    const bool opens = IsSeparator(current, "---");
    const bool closes = IsSeparator(current, "...");
    const size_t cut = closes ? std::min(end + 1, text.size()) : at;
    if ((opens || closes) && cut > chunk_start) {
      chunks.push_back({chunk_line, text.substr(chunk_start, cut - chunk_start)});
      chunk_start = cut;
      chunk_line = closes ? line + 1 : line;
    }
    at = end + 1;
  }
  if (chunk_start < text.size()) chunks.push_back({chunk_line, text.substr(chunk_start)});
  return chunks;
}

// Comments, directives and separators only: not a document that anybody would miss.
bool HasContent(std::string_view chunk) {
  while (!chunk.empty()) {
    const size_t end = std::min(chunk.find('\n'), chunk.size());
    std::string_view line = chunk.substr(0, end);
    chunk.remove_prefix(std::min(end + 1, chunk.size()));
    if (IsSeparator(line, "---") || IsSeparator(line, "...")) line.remove_prefix(3);
    const size_t first = line.find_first_not_of(" \t\r");
    if (first != std::string_view::npos && line[first] != '#' && line[first] != '%') return true;
  }
  return false;
}

template <class Value>
Decoded<Value> ParseChunk(const Chunk& chunk, const YamlLimits& limits) {
  if (!IsUtf8(chunk.text)) return Refusal{"line " + std::to_string(chunk.line), "not UTF-8"};
  Collector<Value> collector(limits, chunk.line);
  try {
    std::istringstream stream{std::string(chunk.text)};
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(collector)) return Value();
    YamlLimits nothing_more = limits;
    nothing_more.nodes = 0;
    Collector<Value> behind(nothing_more, chunk.line);
    if (parser.HandleNextDocument(behind)) {
      return Refusal{"line " + std::to_string(chunk.line),
                     "there is text behind the end of the document"};
    }
  } catch (const YAML::Exception& e) {
    return Refusal{"line " + std::to_string(chunk.line + std::max(e.mark.line, 0)), e.msg};
  } catch (const std::exception& e) {
    return Refusal{"line " + std::to_string(chunk.line), e.what()};
  }
  return collector.Take();
}

template <class Value>
std::vector<BasicYamlDocument<Value>> ReadDocuments(std::string_view text,
                                                    const YamlLimits& limits) {
  std::vector<BasicYamlDocument<Value>> documents;
  if (text.size() > limits.text_bytes) {
    documents.push_back(
        {1, 1, Refusal{"", "larger than " + std::to_string(limits.text_bytes) + " bytes"}});
    return documents;
  }
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  for (const Chunk& chunk : Split(text)) {
    if (!HasContent(chunk.text)) continue;
    const int number = static_cast<int>(documents.size()) + 1;
    if (documents.size() >= limits.documents) {
      const std::string why =
          "more than " + std::to_string(limits.documents) + " documents; the rest is not read";
      documents.push_back({number, chunk.line, Refusal{"", why}});
      break;
    }
    if (chunk.text.size() > limits.document_bytes) {
      const std::string why = "larger than " + std::to_string(limits.document_bytes) + " bytes";
      documents.push_back({number, chunk.line, Refusal{"", why}});
      continue;
    }
    documents.push_back({number, chunk.line, ParseChunk<Value>(chunk, limits)});
  }
  return documents;
}

}  // namespace

std::vector<YamlDocument> ReadYaml(std::string_view text, const YamlLimits& limits) {
  return ReadDocuments<Json>(text, limits);
}

std::vector<OrderedYamlDocument> ReadOrderedYaml(std::string_view text, const YamlLimits& limits) {
  return ReadDocuments<OrderedJson>(text, limits);
}

}  // namespace aquifer::kube
