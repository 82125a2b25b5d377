"""What the lint scripts share: the files of the tree, C++ without comments, and how results are printed."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def files(*suffixes):
    """Files that git knows, with one of the suffixes (all of them without any), as relative paths."""
    listed = subprocess.run(['git', 'ls-files', '-z'], cwd=ROOT, check=True, capture_output=True, text=True)
    paths = [pathlib.PurePosixPath(p) for p in listed.stdout.split('\0') if p]
    return [p for p in paths if (not suffixes or p.suffix in suffixes) and (ROOT / p).is_file()]


def read(path):
    return (ROOT / path).read_text(errors='replace')


def code_only(text):
    """C++ with comments, strings and characters blanked out; lines and columns stay."""
    token = re.compile(r'R"(\w*)\(.*?\)\1"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\'',
                       re.S)
    return token.sub(lambda m: re.sub(r'[^\n]', ' ', m[0]), text)


def finish(name, findings, count):
    """Prints the one result of a script and leaves with its exit status."""
    for finding in findings:
        print(f'  {finding}')
    print(f'not ok {name}: {len(findings)} findings' if findings else f'ok {name}: {count} files')
    sys.exit(1 if findings else 0)
