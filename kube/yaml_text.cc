#include "kube/yaml_text.h"

#include <cstdint>
#include <cstdio>
#include <string_view>
#include <utility>

#include "kube/yaml_scalar.h"

namespace aquifer::kube {
namespace {

// Of UTF-8 text: C0, DEL, C1, the separators of lines and the byte order mark, which YAML takes for
// breaks or does not allow as they are. `size` is that of the character.
bool MustEscape(std::string_view text, size_t at, size_t& size, unsigned& code) {
  const auto byte = [&](size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<std::uint8_t>(text[at + i]) : 0U;
  };
  size = 1;
  code = byte(0);
  if (code < 0x80) return code < 0x20 || code == 0x7f;
  if (code == 0xc2 && byte(1) < 0xa0) {
    size = 2;
    code = byte(1);
    return true;
  }
  code = ((byte(0) & 0x0fU) << 12U) | ((byte(1) & 0x3fU) << 6U) | (byte(2) & 0x3fU);
  const bool three = (byte(0) & 0xf0U) == 0xe0;
  if (three && (code == 0x2028 || code == 0x2029 || code >= 0xfffe || code == 0xfeff)) {
    size = 3;
    return true;
  }
  return false;
}

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (size_t at = 0; at < text.size();) {
    size_t size = 1;
    unsigned code = 0;
    if (text[at] == '\n') {
      out += "\\n";
    } else if (text[at] == '\t') {
      out += "\\t";
    } else if (MustEscape(text, at, size, code)) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04X", code & 0xffffU);
      out += escape;
    } else {
      if (text[at] == '"' || text[at] == '\\') out += '\\';
      out += text[at];
    }
    at += size;
  }
  return out + '"';
}

// Whether a reader sees exactly this text in it when it stands there alone.
bool IsPlain(const std::string& text) {
  static constexpr std::string_view kNeverFirst = "-?:,[]{}#&*!|>'\"%@`= ";
  if (!PlainScalar(text).is_string() || text == "<<" || text == "y" || text == "n" || text == "Y" ||
      text == "N")
    return false;
  const bool dash = text.size() > 1 && text[0] == '-' && text[1] != ' ' && text[1] != '-';
  if (!dash && kNeverFirst.find(text[0]) != std::string_view::npos) return false;
  // What looks like a number of another reader's: 1_000, 12:30, .inf, dates.
  if (text.find_first_not_of("+-.0123456789_:eExXoabcdfABCDF") == std::string::npos &&
      text.find_first_of("0123456789") != std::string::npos)
    return false;
  if (text[0] == '.' || text[0] == '+' || text.back() == ' ' || text.back() == ':') return false;
  if (text[0] >= '0' && text[0] <= '9' && text.find('T') != std::string::npos) return false;
  for (size_t at = 0; at < text.size(); ++at) {
    size_t size = 1;
    unsigned code = 0;
    if (MustEscape(text, at, size, code)) return false;
  }
  return text.find(": ") == std::string::npos && text.find(" #") == std::string::npos;
}

// Lines of text that need no escape, none with blanks at an end, are a literal block.
bool IsBlock(std::string_view text) {
  if (text.size() < 2 || text[0] == ' ' || text[0] == '\n' || !text.ends_with('\n')) return false;
  if (text[text.size() - 2] == '\n') return false;
  for (size_t at = 0; at < text.size(); ++at) {
    size_t size = 1;
    unsigned code = 0;
    if (text[at] == '\n') {
      if (text[at - 1] == ' ') return false;
      continue;
    }
    if (MustEscape(text, at, size, code)) return false;
  }
  return true;
}

class Writer {
 public:
  std::string Take() { return std::move(out_); }

  // Behind a key or a dash, or alone. `indent` is that of its further lines.
  void Value(const OrderedJson& value, int indent) {
    if (value.is_object() && !value.empty()) return Object(value, indent);
    if (value.is_array() && !value.empty()) return Array(value, indent);
    if (value.is_string()) return Text(value.get_ref<const std::string&>(), indent);
    out_ += value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
    out_ += '\n';
  }

  void Object(const OrderedJson& value, int indent) {
    bool first = true;
    for (const auto& [key, member] : value.items()) {
      if (!first) Indent(indent);
      first = false;
      const bool is_long = Key(key, indent);
      if (member.is_object() && !member.empty()) {
        out_ += '\n';
        Indent(indent + 2);
        Object(member, indent + 2);
      } else if (member.is_array() && !member.empty()) {
        const int items = is_long ? indent + 2 : indent;
        out_ += '\n';
        Indent(items);
        Array(member, items);
      } else {
        out_ += ' ';
        Value(member, indent + 2);
      }
    }
  }

  void Array(const OrderedJson& value, int indent) {
    bool first = true;
    for (const OrderedJson& item : value) {
      if (!first) Indent(indent);
      first = false;
      out_ += "- ";
      Value(item, indent + 2);
    }
  }

 private:
  // With its colon. True: it is too long to stand before its value (YAML 1.2, 7.4.2) and got the
  // form of two lines.
  bool Key(const std::string& key, int indent) {
    const std::string text = IsPlain(key) ? key : Quoted(key);
    const bool is_long = text.size() > 1000;
    if (is_long) {
      out_ += "? " + text + '\n';
      Indent(indent);
    } else {
      out_ += text;
    }
    out_ += ':';
    return is_long;
  }

  void Indent(int indent) { out_.append(static_cast<size_t>(indent), ' '); }

  void Text(const std::string& text, int indent) {
    // A block at the very left could hold what looks like the end of a document.
    if (indent == 0 || !IsBlock(text)) {
      out_ += IsPlain(text) ? text : Quoted(text);
      out_ += '\n';
      return;
    }
    out_ += "|\n";
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find('\n', at);
      if (end > at) Indent(indent);
      out_.append(text, at, end + 1 - at);
      at = end + 1;
    }
  }

  std::string out_;
};

}  // namespace

std::string WriteYaml(const OrderedJson& value) {
  Writer writer;
  writer.Value(value, 0);
  return writer.Take();
}

}  // namespace aquifer::kube
