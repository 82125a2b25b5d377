#!/usr/bin/env python3
"""Renders manifests/aquifer without Helm.

chart.py [--set PATH=VALUE]... [--values FILE]...    the manifests, in the order in which they can be applied
chart.py --write                                     manifests/aquifer.yaml, from the chart's own values
chart.py --check                                     fails if that file is another one
"""
import argparse
import copy
import json
import pathlib
import re
import sys

import yaml

from chart_language import ChartError, Renderer, of_yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHART, PLAIN = ROOT / 'manifests/aquifer', ROOT / 'manifests/aquifer.yaml'
HEAD = '''# Aquifer on a cluster that has the Gateway API's definitions and no Istio: kubectl apply -f this file.
# Made from the chart beside it by ./dev chart --write; what it does and asks for: docs/install.md, docs/security.md.
'''
# What others need comes first; the rest follows in the order of the files.
ORDER = ('Namespace', 'PriorityClass', 'CustomResourceDefinition', 'ServiceAccount', 'ClusterRole', 'ClusterRoleBinding', 'Role',
         'RoleBinding', 'NetworkPolicy', 'Service')


def refuse(path, why):
    raise ChartError(f'{".".join(path) or "values"}: {why}')


TYPES = {'object': dict, 'array': list, 'string': str, 'boolean': bool, 'integer': int}


def check_value(schema, value, path=()):
    """What values.schema.json says, as far as it uses the language of JSON Schema; other words are refused."""
    unknown = schema.keys() - {'$schema', 'title', 'description', 'type', 'properties', 'required', 'additionalProperties', 'items', 'enum',
                               'pattern', 'minimum', 'maximum', 'minLength'}
    if unknown:
        refuse(path, f'the schema says {sorted(unknown)}, which is not looked at here')
    kind = TYPES[schema['type']]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        refuse(path, f'{value!r} is no {schema["type"]}')
    if 'enum' in schema and value not in schema['enum']:
        refuse(path, f'{value!r} is none of {schema["enum"]}')
    if kind is str and not (re.search(schema.get('pattern', ''), value) and len(value) >= schema.get('minLength', 0)):
        refuse(path, f'{value!r} is not of the form {schema.get("pattern", "that is not empty")}')
    if kind is int and not schema.get('minimum', value) <= value <= schema.get('maximum', value):
        refuse(path, f'{value} is out of bounds')
    for number, item in enumerate(value if kind is list else ()):
        check_value(schema.get('items', {'type': 'object'}), item, (*path, str(number)))
    if kind is dict:
        check_object(schema, value, path)


def check_object(schema, value, path):
    known, others = schema.get('properties', {}), schema.get('additionalProperties', True)
    for name in schema.get('required', ()):
        if name not in value:
            refuse((*path, name), 'is missing')
    for name, inner in value.items():
        if name in known:
            check_value(known[name], inner, (*path, name))
        elif others is False:
            refuse((*path, name), 'is no value of this chart')
        elif others is not True:
            check_value(others, inner, (*path, name))


def merged(values, others):
    """Maps are merged, everything else is replaced, as Helm does it."""
    if not isinstance(values, dict) or not isinstance(others, dict):
        return others
    return values | {key: merged(values[key], inner) if key in values else inner for key, inner in others.items()}


def one_value(setting):
    """{'a': {'b': value}} of a.b=value"""
    path, equals, text = setting.partition('=')
    if not equals:
        refuse((setting,), 'is not PATH=VALUE')
    value = yaml.safe_load(text)
    for name in reversed(path.split('.')):
        value = {name: value}
    return value


class Chart:
    def __init__(self, folder=CHART):
        self.about = yaml.safe_load((folder / 'Chart.yaml').read_text())
        self.values = yaml.safe_load((folder / 'values.yaml').read_text())
        self.schema = json.loads((folder / 'values.schema.json').read_text())
        files = sorted((folder / 'templates').iterdir())
        self.pages = [f.name for f in files if f.suffix == '.yaml']
        self.renderer = Renderer({f.name: f.read_text() for f in files if f.suffix in ('.yaml', '.tpl')})

    def root(self, others):
        values = merged(copy.deepcopy(self.values), others)
        check_value(self.schema, values)
        return {'Values': of_yaml(values), 'Chart': {'Name': self.about['name'], 'AppVersion': self.about['appVersion']}}

    def documents(self, others=None):
        """The texts of the objects."""
        root, found = self.root(others or {}), []
        for page in self.pages:
            text = self.renderer.render(page, root)
            found += [document.strip('\n') for document in re.split(r'^---$', text, flags=re.M) if document.strip()]
        return sorted(found, key=order_of)

    def objects(self, others=None):
        return [yaml.safe_load(document) for document in self.documents(others)]


def order_of(document):
    kind = re.search(r'^kind: (\w+)$', document, re.M)
    if not kind:
        raise ChartError(f'a document without a kind: {document[:80]!r}')
    return ORDER.index(kind[1]) if kind[1] in ORDER else len(ORDER)


def plain_text(documents):
    lines = (line.rstrip() for document in documents for line in ('---', *document.split('\n')))
    return HEAD + '\n'.join(lines) + '\n'


def drift():
    """What is wrong with the plain manifests, or None."""
    if not PLAIN.exists() or PLAIN.read_text() != plain_text(Chart().documents()):
        return f'{PLAIN.relative_to(ROOT)} is not what the chart gives: run ./dev chart --write'
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--set', action='append', default=[], metavar='PATH=VALUE')
    parser.add_argument('--values', action='append', default=[], metavar='FILE')
    parser.add_argument('--write', action='store_true')
    parser.add_argument('--check', action='store_true')
    options = parser.parse_args()
    others = {}
    for name in options.values:
        others = merged(others, yaml.safe_load(pathlib.Path(name).read_text()) or {})
    for setting in options.set:
        others = merged(others, one_value(setting))
    if options.check:
        sys.exit(drift() or 0)
    text = plain_text(Chart().documents(others))
    if not options.write:
        print(text, end='')
    elif others:
        sys.exit('chart.py: --write is for the chart\'s own values')
    else:
        PLAIN.write_text(text)


if __name__ == '__main__':
    try:
        main()
    except ChartError as problem:
        sys.exit(f'chart.py: {problem}')
