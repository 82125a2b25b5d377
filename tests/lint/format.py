#!/usr/bin/env python3
"""C++ is formatted as .clang-format says. Versions of clang-format differ, so only one of them decides."""
import re
import shutil
import subprocess
import sys

import support

PROGRAM = 'clang-format-19'


def main():
    if not shutil.which(PROGRAM):
        print(f'skip format: {PROGRAM} is not installed')
        sys.exit(0)
    paths = [p for p in support.files('.cc', '.h') if p.parts[0] != 'subprojects']
    output = ''
    if paths:
        output = subprocess.run([PROGRAM, '--dry-run', '--ferror-limit=1', *map(str, paths)], cwd=support.ROOT,
                                capture_output=True, text=True).stderr
    findings = re.findall(r'^(\S+:\d+):\d+: (?:warning|error): .*', output, re.M)
    first = {f.partition(':')[0]: f for f in reversed(findings)}
    support.finish('format', [f'{f}: run {PROGRAM} -i' for f in sorted(first.values())], len(paths))


main()
