#!/usr/bin/env python3
"""clang-tidy with the checks of .clang-tidy: on changed C++ files, or with --all on every one.

Changed is what differs from the upstream branch; without one, what the last commit and the work tree hold.
"""
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATABASE = ROOT / 'build/asan'


def git(*args):
    return subprocess.run(['git', *args], cwd=ROOT, capture_output=True, text=True)


def changed_files():
    base = git('merge-base', 'HEAD', '@{upstream}')
    start = base.stdout.strip() if base.returncode == 0 else 'HEAD~1'
    if git('rev-parse', '--verify', start).returncode != 0:
        start = 'HEAD'
    names = git('diff', '--name-only', start).stdout.split()
    return {ROOT / n for n in names + git('ls-files', '-o', '--exclude-standard').stdout.split()}


def compiled_files():
    commands = json.loads((DATABASE / 'compile_commands.json').read_text())
    paths = {pathlib.Path(os.path.normpath(DATABASE / c['file'])) for c in commands}
    foreign = (ROOT / 'subprojects', ROOT / 'build')
    return {p for p in paths if p.suffix == '.cc' and not any(p.is_relative_to(f) for f in foreign)}


def tidy(path):
    done = subprocess.run([f'clang-tidy-{os.environ["LLVM_VERSION"]}', '--quiet', '-p', DATABASE, path],
                          cwd=ROOT, capture_output=True, text=True)
    return path.relative_to(ROOT), done.returncode, done.stdout + done.stderr


def main():
    paths = sorted(compiled_files() if '--all' in sys.argv else compiled_files() & changed_files())
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, status, output in pool.map(tidy, paths):
            if status != 0:
                failed += 1
                print(output)
            print(f'{"not ok" if status else "ok"} tidy {path}', flush=True)
    print(f'clang-tidy: {len(paths)} files, {failed} with findings')
    return 1 if failed else 0


sys.exit(main())
