#!/usr/bin/env python3
"""The first walk-through, run to its end as a reader would run it; all it printed is shown when it fails."""
import os
import shutil
import subprocess

import lib

PYTHON = lib.ROOT / 'build/venv/bin/python3'
SECONDS = 300


def why_not():
    if not PYTHON.exists():
        return 'needs build/venv (./dev setup)'
    if not (PYTHON.parent / 'gunicorn').exists() or lib.run(PYTHON, '-c', 'import httpbin', check_status=False).returncode != 0:
        return 'needs httpbin and gunicorn in build/venv (./dev setup)'
    return next((f'needs {tool}' for tool in ('curl', 'tcpdump') if shutil.which(tool) is None), None)


def the_first_walk_through_is_as_it_should_be():
    done = subprocess.Popen([PYTHON, lib.ROOT / 'demo/demo.py'], text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, env=os.environ | {'PYTHONUNBUFFERED': '1'})
    try:
        output, _ = done.communicate(timeout=SECONDS)
    except BaseException:
        # The demo removes its namespaces on SIGINT.
        done.send_signal(2)
        done.communicate()
        raise
    if done.returncode != 0:
        print('\n'.join(f'  {line}' for line in output.splitlines()))
    lib.equal(done.returncode, 0, 'the exit status of the demo')


if __name__ == '__main__':
    reason = why_not()
    if reason:
        print(f'skip the first walk through is as it should be: {reason}')
    else:
        lib.main([the_first_walk_through_is_as_it_should_be])
