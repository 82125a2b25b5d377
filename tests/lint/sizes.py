#!/usr/bin/env python3
"""No function is over 70 lines; files over 500 lines are named so that somebody thinks about their one idea."""
import ast
import re

import support

MAX_FUNCTION_LINES = 70
LONG_FILE_LINES = 500
CONTAINER = re.compile(r'\b(namespace|class|struct|union|enum|extern)\b(?![^(]*\))')


def cpp_functions(text):
    """Yields (first line, last line, head) of every function body, found by its braces."""
    code = re.sub(r'^\s*#(?:[^\n]*\\\n)*[^\n]*', lambda m: re.sub(r'[^\n]', ' ', m[0]),
                  support.code_only(text), flags=re.M)
    lines = text.splitlines()
    open_braces = []  # (is this a function body, line of its head's start)
    head_start = 0
    for brace in re.finditer(r'[{};]', code):
        if brace[0] == '{':
            head = code[head_start:brace.start()]
            inside = any(body for body, _ in open_braces)
            is_body = not inside and '(' in head and not CONTAINER.search(head)
            first = code.count('\n', 0, head_start + len(head) - len(head.lstrip())) + 1
            open_braces.append((is_body, first))
        elif brace[0] == '}' and open_braces:
            is_body, first = open_braces.pop()
            if is_body:
                yield first, code.count('\n', 0, brace.start()) + 1, lines[first - 1].strip()
        head_start = brace.end()


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.end_lineno, f'def {node.name}'


def main():
    findings = []
    paths = support.files('.cc', '.h', '.py')
    for path in paths:
        text = support.read(path)
        if text.count('\n') > LONG_FILE_LINES:
            print(f'  note: {path}: {text.count(chr(10))} lines')
        functions = python_functions if path.suffix == '.py' else cpp_functions
        for first, last, head in functions(text):
            if last - first + 1 > MAX_FUNCTION_LINES:
                findings.append(f'{path}:{first}: {last - first + 1} lines: {head}')
    support.finish('sizes', findings, len(paths))


main()
