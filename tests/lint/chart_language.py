#!/usr/bin/env python3
"""The renderer of the chart means by each action what Helm means, and refuses the rest."""
import sys
import traceback

import support

sys.path.insert(0, str(support.ROOT / 'scripts'))
from chart import ChartError, check_value, merged, one_value  # noqa: E402
from chart_language import Renderer, of_yaml  # noqa: E402

VALUES = {'text': 'a "b"', 'empty': '', 'yes': True, 'no': False, 'number': 3, 'large': 1000000, 'half': 0.5, 'list': ['x', 'y'],
          'map': {'b': 1, 'a': {'c': 'd'}}, 'none': {}}


def rendered(text, **others):
    return Renderer({'page': text, **others}).render('page', {'Values': of_yaml(VALUES)})


def refuses(text, **others):
    try:
        shown = rendered(text, **others)
    except ChartError:
        return
    raise AssertionError(f'{text!r} gives {shown!r}')


def equals(text, wanted, **others):
    shown = rendered(text, **others)
    assert shown == wanted, f'{text!r} gives {shown!r}, not {wanted!r}'


def values_are_printed_as_go_does():
    equals('{{ .Values.text }} {{.Values.yes}} {{ .Values.number }} {{ 7 }} {{ "x" }}', 'a "b" true 3 7 x')
    equals('{{ .Values.text | quote }} {{ quote .Values.number }} {{ .Values.no | quote }}', '"a \\"b\\"" "3" "false"')
    equals('{{ .Values.map.a.c }}', 'd')


def what_go_would_print_otherwise_is_refused():
    for path in ('large', 'half', 'list', 'map'):
        refuses('{{ .Values.%s }}' % path)
    equals('{{ int .Values.large }}', '1000000')


def a_field_that_is_not_there_is_refused():
    for text in ('{{ .Values.other }}', '{{ .Values.text.more }}', '{{ .Other }}', '{{ $x }}', '{{ if .Values.other }}x{{ end }}'):
        refuses(text)


def trim_markers_take_blanks_and_lines_on_their_side():
    equals('a \n {{- 1 }} \n b', 'a1 \n b')
    equals('a \n {{ 1 -}} \n b', 'a \n 1b')
    equals('a \n {{- 1 -}} \n b', 'a1b')
    equals('a {{- /* why */ -}} b', 'ab')
    equals('{{ -1 }}', '-1')


def conditions_know_what_is_empty():
    for path, word in (('text', 'then'), ('yes', 'then'), ('list', 'then'), ('empty', 'else'), ('no', 'else'), ('none', 'else')):
        equals('{{ if .Values.%s }}then{{ else }}else{{ end }}' % path, word)
    equals('{{ if 0 }}a{{ else if .Values.yes }}b{{ else }}c{{ end }}', 'b')
    equals('{{ if and .Values.yes (not .Values.no) }}a{{ end }}{{ if or .Values.no .Values.empty }}b{{ end }}', 'a')
    equals('{{ if eq .Values.text "x" "a \\"b\\"" }}a{{ end }}{{ if ne .Values.text "x" }}b{{ end }}', 'ab')


def numbers_of_values_are_compared_only_as_whole_numbers():
    refuses('{{ if gt .Values.number 1 }}a{{ end }}')
    refuses('{{ if eq .Values.number 3 }}a{{ end }}')
    equals('{{ if gt (int .Values.number) 1 }}a{{ end }}{{ if gt (int .Values.number) 3 }}b{{ end }}', 'a')


def with_and_range_move_the_dot():
    equals('{{ with .Values.map }}{{ .a.c }}{{ $.Values.number }}{{ end }}{{ with .Values.none }}x{{ else }}y{{ end }}', 'd3y')
    equals('{{ range .Values.list }}<{{ . }}>{{ end }}{{ range .Values.none }}x{{ else }}none{{ end }}', '<x><y>none')
    equals('{{ range $name, $value := .Values.map.a }}{{ $name }}={{ $value }}{{ end }}', 'c=d')
    equals('{{ range list "a" "b" }}{{ . }}{{ end }}', 'ab')
    refuses('{{ range .Values.text }}{{ end }}')


def variables_end_with_their_block():
    equals('{{ $x := .Values.number }}{{ if .Values.yes }}{{ $x }}{{ end }}', '3')
    refuses('{{ if .Values.yes }}{{ $x := 1 }}{{ end }}{{ $x }}')


def named_templates_see_only_what_they_are_given():
    helper = '{{ define "h" }}{{ .name }}{{ end }}'
    equals('{{ include "h" (dict "name" "n") }}', 'n', helpers=helper)
    refuses('{{ $x := 1 }}{{ include "h" . }}', helpers='{{ define "h" }}{{ $x }}{{ end }}')
    refuses('{{ include "other" . }}', helpers=helper)
    equals('{{ define "h" }}x{{ end }}y', 'y')


def yaml_is_indented_under_its_key():
    equals('a:\n  {{- toYaml .Values.map | nindent 2 }}', 'a:\n  a:\n    c: d\n  b: 1')
    equals('a:\n{{- .Values.list | toYaml | nindent 0 }}', 'a:\n- x\n- y')
    equals('{{ "a\\nb" | indent 1 }}', ' a\n b')


def defaults_stand_in_for_what_is_empty():
    equals('{{ .Values.empty | default "d" }}{{ default "d" .Values.text }}{{ printf "%s:1" .Values.text }}', 'da "b"a "b":1')
    refuses('{{ printf "%d" 1 }}')


def the_rest_of_the_language_is_refused():
    for text in ('{{ tpl "x" . }}', '{{ lookup "v1" }}', '{{ template "x" }}', '{{ .Values.text | upper }}', '{{ 1.5 }}', '{{ `x` }}', '{{ nil }}',
                 '{{ if .Values.yes }}', '{{ end }}', '{{ }}', '{{ (1 }}', '{{ 1 | }}', '{{ "x" 1 }}', '{{ define "x" }}', '{{ break }}',
                 '{{ with .Values.map }}{{ else if 1 }}{{ end }}', '{{ if 1 }}{{ else }}{{ else }}{{ end }}'):
        refuses(text)


def values_are_merged_as_helm_does():
    assert merged({'a': {'b': 1, 'c': [1]}}, {'a': {'c': [2]}}) == {'a': {'b': 1, 'c': [2]}}
    assert one_value('a.b=true') == {'a': {'b': True}} and one_value('a=x=y') == {'a': 'x=y'}


def schemas_refuse_what_they_do_not_know():
    schema = {'type': 'object', 'additionalProperties': False, 'required': ['a'], 'properties': {'a': {'type': 'integer', 'minimum': 1},
              'b': {'type': 'array', 'items': {'type': 'string', 'pattern': '^x'}}, 'c': {'type': 'object', 'additionalProperties': {'type': 'boolean'}}}}
    check_value(schema, {'a': 1, 'b': ['x'], 'c': {'d': True}})
    for bad in ({}, {'a': 0}, {'a': True}, {'a': 1, 'z': 1}, {'a': 1, 'b': ['y']}, {'a': 1, 'b': 'x'}, {'a': 1, 'c': {'d': 1}}, []):
        try:
            check_value(schema, bad)
        except ChartError:
            continue
        raise AssertionError(f'{bad} is taken')
    try:
        check_value({'type': 'string', 'format': 'ipv4'}, 'x')
    except ChartError:
        return
    raise AssertionError('a word of the schema language that is not looked at is taken')


def main():
    failed = 0
    for test in [t for t in globals().values() if callable(t) and getattr(t, '__module__', '') == '__main__' and t not in (main, rendered, refuses, equals)]:
        try:
            test()
            print(f'ok {test.__name__}')
        except Exception:  # whatever it is, it is this test's
            failed += 1
            print(f'not ok {test.__name__}: {traceback.format_exc(limit=-1).strip().splitlines()[-1]}')
    sys.exit(1 if failed else 0)


main()
