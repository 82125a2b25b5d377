#!/usr/bin/env python3
"""Words that this tree does without, each with its reason."""
import re

import support

CPP = ('.cc', '.h')
TEXT = CPP + ('.py', '.sh', '.md', '.proto', '.build', '.yaml', '')

# (suffixes, path, what, why); code is searched without its comments and strings
CODE_RULES = [
    (CPP, r'^tests/', r'\b(sleep_for|sleep_until|usleep|nanosleep)\b', 'a test waits for an event, not for time'),
    # The system's resolver can be neither interrupted nor waited for by a process that is to end.
    (CPP, r'^(?!core/io/resolve\.cc$)', r'\.detach\(\)', 'every thread and task is joined'),
    (CPP, r'^(?!tests/)', r'\bthrow\b', 'errors are Result; exceptions of libraries end at the boundary'),
    # A private constructor needs new; it goes straight into its owner: shared_ptr<T> context(new T(...)).
    (CPP, r'^(?!core/(base|rt)/)', r'(?<![(\s])\s*\bnew\s+(?!\()[A-Za-z_:]',
     'unique_ptr or a member; new only straight into its owner'),
]
TEXT_RULES = [
    (TEXT, r'', r'(^|[\s"\'(=:])/(work|root|home/\w+)/', 'a path of one machine'),
    (TEXT, r'', r'\b(TODO(?!\(#\d+\))|FIXME|XXX)\b', 'name the issue: TODO(#N)'),
    (TEXT, r'', r'\b[Nn]ot implemented\b|\b[Ss]tubs?\b|\b[Mm]ocks?\b', 'say what it does, or make it do it'),
]
# Files that have to name the words.
EXCEPT = {'tests/lint/words.py', 'LICENSE'}


def search(path, text, rules):
    for suffixes, where, what, why in rules:
        if path.suffix in suffixes and re.search(where, str(path)):
            for found in re.finditer(what, text, re.M):
                line = text.count('\n', 0, found.end()) + 1
                yield f'{path}:{line}: "{found[0].strip()}": {why}'


def main():
    findings = []
    paths = [p for p in support.files(*TEXT) if str(p) not in EXCEPT and 'corpus' not in p.parts]
    for path in paths:
        text = re.sub(r'^#include.*', '', support.read(path), flags=re.M)
        findings += search(path, text, TEXT_RULES)
        if path.suffix in CPP:
            findings += search(path, support.code_only(text), CODE_RULES)
    support.finish('words', findings, len(paths))


main()
