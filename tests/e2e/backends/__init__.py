"""The image with the applications that the walk-throughs put behind their gateways: the real httpbin (build/venv, under gunicorn), the
real nginx (the distribution's, unpacked and not installed: it would serve on this machine), whoami.py, and curl for the clients.
"""
import os
import pathlib
import shutil
import subprocess
import sysconfig

from cluster import ROOT, image, lib

HERE = pathlib.Path(__file__).parent
PYTHON = '/usr/bin/python3'
VENV = ROOT / 'build/venv'
IMAGE = 'aquifer-e2e-backends:dev'
TOOLS = ('curl', 'sleep')
# What neither a server nor its frameworks import.
NEEDLESS = {'test', 'tests', '__pycache__', 'dist-packages', 'idlelib', 'lib2to3', 'ensurepip', 'tkinter', 'pip', 'mesonbuild',
            'setuptools', 'pkg_resources', '_distutils_hack', 'yaml', 'distutils', 'pydoc_data'}
NEEDLESS_MODULES = ('_test', '_codecs_', '_sqlite3', '_dbm', '_gdbm', '_curses', 'readline', 'nis', '_xxtest', 'ossaudiodev')
NGINX_PACKAGES = ('nginx', 'nginx-common')


def why_not():
    if not (VENV / 'bin/gunicorn').exists():
        return 'needs httpbin and gunicorn in build/venv (./dev setup)'
    return next((f'needs {tool}' for tool in (*TOOLS, 'dpkg-deb') if not shutil.which(tool)), None)


def tree(folder, target):
    """Its files by their paths in the image, without what is needless."""
    found = {}
    for path in pathlib.Path(folder).rglob('*'):
        inner = path.relative_to(folder)
        needless = NEEDLESS.intersection(inner.parts) or inner.parts[0].startswith('config-') or path.name.startswith(NEEDLESS_MODULES)
        if path.is_file() and not needless:
            found[f'{target}/{inner}'] = str(path)
    return found


def interpreter():
    library = sysconfig.get_path('stdlib', vars={'installed_base': '/usr'})
    return tree(library, library) | {PYTHON: os.path.realpath(PYTHON)}


def nginx_files(folder):
    downloads = ROOT / 'build/downloads'
    downloads.mkdir(parents=True, exist_ok=True)
    if not all(list(downloads.glob(f'{package}_*.deb')) for package in NGINX_PACKAGES):
        lib.run('apt-get', 'download', '-q', *NGINX_PACKAGES, cwd=downloads)
    for package in NGINX_PACKAGES:
        lib.run('dpkg-deb', '-x', max(downloads.glob(f'{package}_*.deb')), folder / 'nginx')
    paths = ('/usr/sbin/nginx', '/usr/share/nginx/html/index.html')
    return {path: f'{folder}/nginx{path}' for path in paths} | {'/etc/nginx/nginx.conf': str(HERE / 'nginx.conf')}


def load(made, folder):
    """Builds the image and hands it to the nodes."""
    files = interpreter() | tree(next((VENV / 'lib').glob('python3*/site-packages')), '/app') | nginx_files(folder)
    files |= {f'/usr/bin/{tool}': shutil.which(tool) for tool in TOOLS} | {'/whoami.py': str(HERE / 'whoami.py')}
    files |= {f'/etc/{name}': str(HERE / name) for name in ('passwd', 'group')}
    environment = ['PATH=/usr/bin:/usr/sbin', 'PYTHONHOME=/usr', 'PYTHONPATH=/app', 'PYTHONDONTWRITEBYTECODE=1']
    image.write_archive(folder / 'backends.tar', image.layer(files), IMAGE, Env=environment)
    made.run(made.tool, 'load', folder / 'backends.tar')
