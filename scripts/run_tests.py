#!/usr/bin/env python3
"""Runs the test suites and counts: ./dev test calls this after building.

unit, component and fuzz are what meson.build registers in build/asan, tsan what it calls threaded in build/tsan; lint, netns, peers,
e2e and e2e-istio are the scripts tests/<suite>/*_test.{py,sh} (with _ for -) and tests/lint/*.py. A Catch2 program counts its test cases, a script
prints one line a test: "ok NAME", "not ok NAME: why" or "skip NAME: why".
"""
import concurrent.futures
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
ASAN, TSAN, RELEASE, LOG = (ROOT / 'build' / name for name in ('asan', 'tsan', 'release', 'log'))
# suite: where it is built, and what meson.build calls it
COMPILED = {'unit': (ASAN, 'unit'), 'component': (ASAN, 'component'), 'fuzz': (ASAN, 'fuzz'),
            'tsan': (TSAN, 'threaded')}
SCRIPTED = ('lint', 'netns', 'peers', 'e2e', 'e2e-istio')
SCRIPT_TIMEOUT_S = 1800
# In CI so many programs are given a second run; more than that is no accident (docs/decisions/0010).
MOST_REPEATED = 2


class Test:
    """One program or script and what came of it."""

    def __init__(self, suite, name, command, timeout_s, env=None):
        self.suite, self.name, self.command, self.timeout_s = suite, name, command, timeout_s
        self.env = env or {}
        self.log = LOG / f'test-{suite}-{name}.log'
        self.passed = self.failed = self.skipped = 0
        self.seconds = 0.0
        self.unstable = False

    def repeat(self, env):
        """Runs a program that failed once more, by itself; the first run's log and its lines in the report stay."""
        self.log.rename(self.log.with_suffix('.first.log'))
        self.passed = self.failed = self.skipped = 0
        self.run(env)
        self.unstable = not self.failed
        self.report()

    def run(self, env):
        start = time.monotonic()
        with self.log.open('w') as out:
            status = self.execute(env | self.env, out)
        self.seconds = time.monotonic() - start
        self.count(self.log.read_text(errors='replace'), status)
        return self

    def execute(self, env, out):
        """Returns the exit status, None when it did not start or end."""
        try:
            process = subprocess.Popen(self.command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=subprocess.STDOUT, start_new_session=True)
            return process.wait(self.timeout_s)
        except OSError as error:
            out.write(f'not ok {self.name}: {error}\n')
        except subprocess.TimeoutExpired:
            self.end(process)
            out.write(f'\nnot ok {self.name}: no end after {self.timeout_s} s\n')
        return None

    def end(self, process):
        """Asks first: on SIGABRT Catch2 names the test that hangs, on SIGINT Python cleans up."""
        try:
            os.killpg(process.pid, signal.SIGABRT if self.suite in COMPILED else signal.SIGINT)
            process.wait(20)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()

    def count(self, text, status):
        """Counts results; a bad exit status without a failed test, or no result, is a failure."""
        for line in re.findall(r'^All tests passed \(.* in (\d+) test cases?\)', text, re.M):
            self.passed += int(line)
        for line in re.findall(r'^test cases: .*', text, re.M):
            for number, word in re.findall(r'(\d+) (passed|failed as expected|failed|skipped)', line):
                field = {'failed': 'failed', 'skipped': 'skipped'}.get(word, 'passed')
                setattr(self, field, getattr(self, field) + int(number))
        self.passed += len(re.findall(r'^ok ', text, re.M))
        self.failed += len(re.findall(r'^not ok ', text, re.M))
        self.skipped += len(re.findall(r'^skip ', text, re.M))
        nothing = self.passed + self.failed + self.skipped == 0
        if self.failed == 0 and (status != 0 or nothing):
            self.failed = 1

    def report(self):
        mark = 'FAILED' if self.failed else 'UNSTABLE: failed, then passed' if self.unstable else 'passed'
        print(f'  {mark} {self.suite}/{self.name}: {self.passed} passed, {self.failed} failed, '
              f'{self.skipped} skipped ({self.seconds:.1f} s)', flush=True)
        lines = self.log.read_text(errors='replace').splitlines()
        for line in lines:
            if line.startswith('skip '):
                print(f'    {line}')
        if self.failed:
            print('\n'.join(f'    {line}' for line in lines[-120:]))
            print(f'    (all of it: {self.log.relative_to(ROOT)})', flush=True)


def compiled_tests(suite):
    build, label = COMPILED[suite]
    listed = json.loads(subprocess.run(
        [ROOT / 'build/venv/bin/meson', 'introspect', build, '--tests'],
        check=True, capture_output=True, text=True).stdout)
    return [Test(suite, t['name'], t['cmd'], t['timeout'], t['env']) for t in listed
            if any(s.endswith(':' + label) for s in t['suite'])]


def scripted_tests(suite):
    folder = ROOT / 'tests' / suite.replace('-', '_')
    patterns = ['*.py'] if suite == 'lint' else ['*_test.py', '*_test.sh']
    files = sorted(f for p in patterns for f in folder.glob(p) if f.stem != 'support')
    if suite != 'lint' and os.geteuid() != 0:
        return [Test(suite, f.stem, ['echo', f'skip {f.stem}: needs root'], 10) for f in files]
    start = {'.py': sys.executable, '.sh': 'bash'}
    return [Test(suite, f.stem, [start[f.suffix], str(f)], SCRIPT_TIMEOUT_S) for f in files]


def environment():
    """What every test sees: where the programs are, and sanitizers that stop at the first report."""
    env = dict(os.environ, AQUIFER_BUILD=str(RELEASE), AQUIFER_ASAN_BUILD=str(ASAN), PYTHONUNBUFFERED='1')
    env.setdefault('ASAN_OPTIONS', 'strict_string_checks=1:detect_leaks=1')
    env.setdefault('TSAN_OPTIONS', 'halt_on_error=1:second_deadlock_stack=1')
    env.setdefault('UBSAN_OPTIONS', 'print_stacktrace=1:halt_on_error=1')
    return env


def run_suite(suite, env):
    tests = compiled_tests(suite) if suite in COMPILED else scripted_tests(suite)
    # Scripts make namespaces with fixed names, so they run one after another.
    workers = os.cpu_count() if suite in COMPILED else 1
    print(f'{suite}: {len(tests)} programs', flush=True)
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for done in concurrent.futures.as_completed([pool.submit(t.run, env) for t in tests]):
            done.result().report()
    return tests


def main():
    # tsan has a build of its own: run when it is asked for.
    suites = sys.argv[1:] or [suite for suite in (*COMPILED, *SCRIPTED) if suite != 'tsan']
    unknown = [s for s in suites if s not in COMPILED and s not in SCRIPTED]
    if unknown:
        print(f'no suite {unknown[0]!r}: {" ".join([*COMPILED, *SCRIPTED])}', file=sys.stderr)
        return 2
    LOG.mkdir(parents=True, exist_ok=True)
    env = environment()
    results = {suite: run_suite(suite, env) for suite in suites}
    ran = [test for tests in results.values() for test in tests]

    failed = [test for test in ran if test.failed and test.suite != 'lint']
    if env.get('CI') and len(failed) <= MOST_REPEATED:
        for test in failed:
            print(f'once more: {test.suite}/{test.name}', flush=True)
            test.repeat(env)

    print()
    for suite, tests in results.items():
        print(f'{suite:>10}: ' + ', '.join(f'{sum(getattr(t, f) for t in tests)} {f}'
                                           for f in ('passed', 'failed', 'skipped')))
    total = {f: sum(getattr(t, f) for t in ran) for f in ('passed', 'failed', 'skipped')}
    for test in ran:
        if test.unstable:
            first = test.log.with_suffix('.first.log').relative_to(ROOT)
            print(f'UNSTABLE: {test.suite}/{test.name} failed at first; its log: {first}')
    skipped = f', {total["skipped"]} skipped' if total['skipped'] else ''
    print(f'{total["passed"]} passed, {total["failed"]} failed{skipped}')
    return 1 if total['failed'] else 0


if __name__ == '__main__':
    sys.exit(main())
