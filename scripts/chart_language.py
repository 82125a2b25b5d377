"""The part of Helm's template language that our chart is written in, with Helm's meaning and nothing beside it.

Actions: if / else if / else, with, range, define, include, variables ($x := ...), comments, trim markers. Values: fields (.Values.a.b,
$.Values.a), texts, whole numbers, true, false, parentheses and pipelines. Functions: FUNCTIONS below, and include.

What Helm would print as "<no value>", map[...] or 1e+06 is an error here, and so is a field that values.yaml does not have: a chart
that renders here renders alike there.
"""
import json
import re

import yaml


class ChartError(Exception):
    """What is wrong, and in which template."""


class Number(float):
    """A number of values.yaml: Helm reads those as floats, which cannot be compared with the whole numbers of a template."""


def of_yaml(value):
    """Values as templates see them."""
    if isinstance(value, dict):
        return {key: of_yaml(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [of_yaml(inner) for inner in value]
    return Number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def plain(value):
    """The other way round."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, Number):
        return int(value) if value.is_integer() else float(value)
    return value


def text_of(value):
    """As Helm prints it."""
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, Number):
        if not value.is_integer() or abs(value) >= 1e6:
            raise ChartError(f'Helm would print {value} in its own way: quote it in values.yaml, or use int')
        return str(int(value))
    if isinstance(value, (str, int)):
        return str(value)
    raise ChartError(f'{type(value).__name__} cannot be printed')


# Functions

def quote(value):
    text = text_of(value)
    if not re.fullmatch(r'[\x20-\x7e]*', text):
        raise ChartError(f'quote: {text!r} has characters that YAML and Go may write differently')
    return json.dumps(text)


def indent(width, text):
    return '\n'.join(' ' * width + line for line in text.split('\n'))


def to_yaml(value):
    # Helm's has sorted keys, lists at their key's own indent and no folded lines, too.
    return yaml.safe_dump(plain(value), default_flow_style=False, sort_keys=True, width=10 ** 6).removesuffix('\n...\n').rstrip('\n')


def make_dict(*words):
    if len(words) % 2 or not all(isinstance(key, str) for key in words[::2]):
        raise ChartError('dict needs pairs of a text and a value')
    return dict(zip(words[::2], words[1::2]))


def format_text(form, *values):
    if re.search(r'%[^s]', form) or form.count('%s') != len(values) or not all(isinstance(v, str) for v in values):
        raise ChartError('printf knows only %s and texts')
    return form % values


def comparable(*values):
    kinds = {type(v) for v in values}
    if len(kinds) != 1 or kinds & {dict, list}:
        raise ChartError(f'Go does not compare {" with ".join(sorted(k.__name__ for k in kinds))}')


def equal(first, *others):
    comparable(first, *others)
    return any(first == other for other in others)


def greater(a, b):
    comparable(a, b)
    return a > b


FUNCTIONS = {
    'default': lambda fallback, value: value if value else fallback,
    'quote': quote,
    'toYaml': to_yaml,
    'indent': indent,
    'nindent': lambda width, text: '\n' + indent(width, text),
    'printf': format_text,
    'dict': make_dict,
    'list': lambda *items: list(items),
    'int': int,
    'add': lambda *numbers: sum(map(int, numbers)),
    'eq': equal,
    'ne': lambda a, b: not equal(a, b),
    'gt': greater,
    'not': lambda value: not value,
    'and': lambda *values: next((v for v in values if not v), values[-1]),
    'or': lambda *values: next((v for v in values if v), values[-1]),
}

# Reading. A pipeline is a list of commands, a command a list of operands; an operand is a pair of its kind and what it says.

WORDS = re.compile(r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<number>-?\d+)(?![\w.])|(?P<field>(?:\$\w*)?(?:\.\w+)+|\$\w*|\.)|(?P<name>\w+)'
                   r'|(?P<mark>:=|[|(),]))')


def words_of(source):
    found, at = [], 0
    source = source.rstrip()
    while at < len(source):
        match = WORDS.match(source, at)
        if not match:
            raise ChartError(f'{source[at:].strip()!r} is not in our part of the language')
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


class Pipelines:
    """Reads pipelines of one action from its words."""

    def __init__(self, words):
        self.words = words

    def take_mark(self, mark):
        if self.words and self.words[0] == ('mark', mark):
            self.words.pop(0)
            return True
        return False

    def pipeline(self):
        commands = [self.command()]
        while self.take_mark('|'):
            commands.append(self.command())
        return commands

    def command(self):
        operands = []
        while self.words and self.words[0] not in (('mark', '|'), ('mark', ')')):
            kind, what = self.words.pop(0)
            if (kind, what) == ('mark', '('):
                operands.append(('pipeline', self.pipeline()))
                if not self.take_mark(')'):
                    raise ChartError('a parenthesis is not closed')
            elif kind == 'mark':
                raise ChartError(f'{what!r} is not expected here')
            else:
                operands.append((kind, what))
        if not operands:
            raise ChartError('a command is missing')
        return operands

    def whole(self):
        pipeline = self.pipeline()
        if self.words:
            raise ChartError(f'{self.words[0][1]!r} is not expected here')
        return pipeline


ACTION = re.compile(r'\{\{(-(?=\s))?(.*?)((?<=\s)-)?\}\}', re.S)


def pieces_of(text):
    """Texts and actions in turn, trim markers carried out."""
    found, at, trim = [], 0, False
    for action in ACTION.finditer(text):
        before = text[at:action.start()]
        before = before.lstrip() if trim else before
        found.append(('text', before.rstrip() if action[1] else before))
        source = action[2].strip()
        if not source.startswith('/*'):
            found.append(('action', source))
        elif not source.endswith('*/'):
            raise ChartError('a comment shares its braces with something')
        trim, at = bool(action[3]), action.end()
    found.append(('text', text[at:].lstrip() if trim else text[at:]))
    return found


class Template:
    """One file: its nodes, and the templates that it defines."""

    def __init__(self, name, text):
        self.name, self.defined = name, {}
        self.pieces = pieces_of(text)
        try:
            self.nodes, end = self.block()
            if end:
                raise ChartError(f'{{{{ {end} }}}} ends nothing')
        except ChartError as error:
            raise ChartError(f'{name}: {error}') from None

    def block(self):
        """Nodes up to an end or else, and that."""
        nodes = []
        while self.pieces:
            kind, what = self.pieces.pop(0)
            if kind == 'text':
                nodes.append(('text', what))
                continue
            head, _, rest = what.partition(' ')
            if head in ('end', 'else'):
                return nodes, what
            if head == 'define':
                body, _ = self.closed('define')
                self.defined[json.loads(rest.strip())] = body
            elif head in ('if', 'with', 'range'):
                nodes.append(self.branch(head, rest))
            else:
                nodes.append(self.simple(what))
        return nodes, None

    def closed(self, head):
        nodes, end = self.block()
        if end is None:
            raise ChartError(f'{head} has no end')
        return nodes, end

    def branch(self, head, source):
        """(head, variables, pipeline, nodes, nodes otherwise)"""
        words = words_of(source)
        names = []
        if ('mark', ':=') in words:
            at = words.index(('mark', ':='))
            names, words = [w for kind, w in words[:at] if kind == 'field'], words[at + 1:]
        pipeline = Pipelines(words).whole()
        nodes, end = self.closed(head)
        otherwise = []
        if end.startswith('else if '):
            if head != 'if':
                raise ChartError(f'{head} has an else if')
            otherwise = [self.branch('if', end.removeprefix('else if '))]
        elif end == 'else':
            otherwise, end = self.closed('else')
            if end != 'end':
                raise ChartError('else follows else')
        return head, names, pipeline, nodes, otherwise

    @staticmethod
    def simple(source):
        words = words_of(source)
        if len(words) > 1 and words[1] == ('mark', ':='):
            return 'set', words[0][1], Pipelines(words[2:]).whole()
        return 'print', Pipelines(words).whole()


class Renderer:
    """Templates by name, and what `include` may name."""

    def __init__(self, sources):
        self.templates = {name: Template(name, text) for name, text in sources.items()}
        self.defined = {name: nodes for t in self.templates.values() for name, nodes in t.defined.items()}

    def render(self, name, root):
        try:
            return self.nodes(self.templates[name].nodes, root, {'$': root})
        except ChartError as error:
            raise ChartError(f'{name}: {error}') from None

    def nodes(self, nodes, dot, variables):
        out = []
        for node in nodes:
            if node[0] == 'text':
                out.append(node[1])
            elif node[0] == 'set':
                variables[node[1]] = self.value(node[2], dot, variables)
            elif node[0] == 'print':
                out.append(text_of(self.value(node[1], dot, variables)))
            else:
                out.append(self.branch(node, dot, variables))
        return ''.join(out)

    def branch(self, node, dot, variables):
        head, names, pipeline, nodes, otherwise = node
        value = self.value(pipeline, dot, variables)
        inner = dict(variables)
        if not value:
            return self.nodes(otherwise, dot, inner)
        if head == 'if':
            return self.nodes(nodes, dot, inner)
        if head == 'with':
            return self.nodes(nodes, value, inner)
        if not isinstance(value, (dict, list)):
            raise ChartError('range needs a list or a map')
        items = sorted(value.items()) if isinstance(value, dict) else list(enumerate(value))
        out = []
        for key, item in items:
            inner = dict(variables, **dict(zip(names, (key, item) if len(names) == 2 else (item,))))
            out.append(self.nodes(nodes, item, inner))
        return ''.join(out)

    def value(self, pipeline, dot, variables):
        last = []
        for command in pipeline:
            last = [self.command(command, last, dot, variables)]
        return last[0]

    def command(self, operands, last, dot, variables):
        (kind, what), *rest = operands
        arguments = [self.operand(o, dot, variables) for o in rest] + last
        if kind == 'name' and what == 'include':
            name, context = arguments
            if name not in self.defined:
                raise ChartError(f'no template is called {name!r}')
            return self.nodes(self.defined[name], context, {'$': context})
        if kind == 'name' and what in FUNCTIONS:
            return FUNCTIONS[what](*arguments)
        if arguments:
            raise ChartError(f'{what!r} is no function')
        return self.operand((kind, what), dot, variables)

    def operand(self, operand, dot, variables):
        kind, what = operand
        if kind == 'pipeline':
            return self.value(what, dot, variables)
        if kind == 'text':
            return json.loads(what)
        if kind == 'number':
            return int(what)
        if kind == 'name':
            if what in ('true', 'false'):
                return what == 'true'
            raise ChartError(f'{what!r} is no value')
        return self.field(what, dot, variables)

    @staticmethod
    def field(path, dot, variables):
        first, *names = path.split('.')
        if first and first not in variables:
            raise ChartError(f'{first} is not set')
        value = variables[first] if first else dot
        for name in filter(None, names):
            if not isinstance(value, dict) or name not in value:
                raise ChartError(f'{path} is not there')
            value = value[name]
        return value
