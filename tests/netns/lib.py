"""Nodes and pods as network namespaces of this machine, for tests that need real packets.

    with lib.Cluster() as cluster:
        node = cluster.node()                 # a namespace with an address on the cluster's link
        pod = node.pod('curl')                # a namespace behind it, routed to every other pod
        pod.spawn(['program', '--flag'], log='curl')
        with pod.entered():                   # sockets made here stay in the pod's network
            listener = socket.create_server(...)

Nothing leaves the namespaces: the link between nodes is a bridge in a namespace of its own, and there is
no way out of it. Names start with aq<pid>-, so that runs do not meet. Whatever happens (an exception,
SIGINT, SIGTERM, SIGHUP), processes are ended by their pids and namespaces removed; what a killed run left
behind is removed by the next one. Standard library only; root.
"""
import contextlib
import ctypes
import ipaddress
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
NETNS_FOLDER = '/run/netns'
_libc = ctypes.CDLL(None, use_errno=True)


class Failure(AssertionError):
    """What a test finds wrong; its text is printed behind "not ok"."""


def check(condition, why):
    if not condition:
        raise Failure(why)


def equal(found, expected, what):
    if found != expected:
        raise Failure(f'{what}: expected {expected!r}, found {found!r}')


def eventually(condition, what, seconds=10):
    """Asks until the answer is true, and returns it. Bounded, with the time only as the bound."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Failure(f'{what}: not within {seconds} s')
        time.sleep(0.01)


def run(*command, check_status=True, **options):
    """Runs a command to its end; its output is the result's stdout."""
    done = subprocess.run([str(word) for word in command], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **options)
    if check_status and done.returncode != 0:
        raise Failure(f'{" ".join(map(str, command))}: exit status {done.returncode}: {done.stdout.strip()}')
    return done


def program(name, folder, sanitized=False):
    """A program of ours, as ./dev test built it; without it, from the build folders."""
    variable, fallback = ('AQUIFER_ASAN_BUILD', 'build/asan') if sanitized else ('AQUIFER_BUILD', 'build/release')
    path = ROOT / os.environ.get(variable, fallback) / folder / name
    if not path.exists():
        raise Failure(f'{name} is not built: {path}')
    return str(path)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Process:
    """A program that runs beside the test. Ended by its pid, at the latest with the cluster."""

    def __init__(self, command, log_path, env=None, netns=None):
        self.command, self.log_path = command, pathlib.Path(log_path)
        # "ip netns exec" becomes the program, so the pid is the program's own.
        words = (['ip', 'netns', 'exec', netns] if netns else []) + [str(word) for word in command]
        with self.log_path.open('ab') as log:
            self.popen = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          env=os.environ | (env or {}), preexec_fn=self._die_with_parent)

    @staticmethod
    def _die_with_parent():
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])

    @property
    def pid(self):
        return self.popen.pid

    def log(self):
        return self.log_path.read_text(errors='replace')

    def running(self):
        return self.popen.poll() is None

    def wait_log(self, text, seconds=10):
        """Waits until the log holds the text (a regular expression)."""
        def there():
            running = self.running()
            found = re.search(text, self.log(), re.M)
            check(found or running, f'{self.command[0]} ended: {self.log()[-2000:]}')
            return found
        return eventually(there, f'"{text}" in the log of {self.command[0]}', seconds)

    def kill(self, number=signal.SIGKILL):
        """Sends a signal and waits for the end; returns the exit status."""
        if self.running():
            self.popen.send_signal(number)
        try:
            return self.popen.wait(10)
        except subprocess.TimeoutExpired:
            raise Failure(f'{self.command[0]} did not end on signal {number}') from None

    def stop(self):
        return self.kill(signal.SIGTERM)

    def end(self):
        """The way out that always works."""
        if self.running():
            self.popen.terminate()
            try:
                self.popen.wait(5)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()


class Namespace:
    """One network namespace with lo up."""

    def __init__(self, cluster, short_name):
        self.cluster, self.short_name = cluster, short_name
        self.name = f'{cluster.prefix}{short_name}'
        self.path = f'{NETNS_FOLDER}/{self.name}'
        run('ip', 'netns', 'add', self.name)
        cluster.namespaces.append(self)
        self.ip('link', 'set', 'lo', 'up')

    def ip(self, *words):
        return run('ip', '-n', self.name, *words).stdout

    def run(self, *command, **options):
        return run('ip', 'netns', 'exec', self.name, *command, **options)

    def sysctl(self, name, value):
        # /proc/sys/net shows the network of the thread that looks.
        with self.entered():
            pathlib.Path('/proc/sys', *name.split('.')).write_text(str(value))

    def spawn(self, command, log=None, env=None):
        return self.cluster.spawn(command, log or pathlib.Path(str(command[0])).name, env=env, netns=self)

    @contextlib.contextmanager
    def entered(self):
        """This thread is in the namespace inside the block; sockets made there stay there."""
        with open('/proc/thread-self/ns/net') as home, open(self.path) as there:
            _setns(there.fileno())
            try:
                yield
            finally:
                _setns(home.fileno())

    def remove(self):
        run('ip', 'netns', 'del', self.name, check_status=False)
        if self in self.cluster.namespaces:
            self.cluster.namespaces.remove(self)


class Pod(Namespace):
    """A namespace behind a node, as the bridge plugin of Kubernetes makes it."""

    def __init__(self, node, short_name, number):
        super().__init__(node.cluster, short_name)
        self.node = node
        self.address = str(node.pods4[number + 1])
        self.address6 = str(node.pods6[number + 1])
        host_end = f'v{number}'
        node.ip('link', 'add', host_end, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', self.name)
        node.ip('link', 'set', host_end, 'master', 'pods', 'up')
        self.ip('addr', 'add', f'{self.address}/24', 'dev', 'eth0')
        self.ip('-6', 'addr', 'add', f'{self.address6}/64', 'dev', 'eth0', 'nodad')
        self.ip('link', 'set', 'eth0', 'up')
        self.ip('route', 'add', 'default', 'via', str(node.pods4[1]))
        self.ip('-6', 'route', 'add', 'default', 'via', str(node.pods6[1]))


class Node(Namespace):
    """A namespace on the cluster's link, and the router of its pods."""

    def __init__(self, cluster, number):
        super().__init__(cluster, f'node{number}')
        self.number = number
        self.pods = []
        self.address, self.address6 = f'172.30.0.{number}', f'fd30::{number:x}'
        self.pods4 = ipaddress.ip_network(f'10.244.{number}.0/24')
        self.pods6 = ipaddress.ip_network(f'fd10:244:0:{number:x}::/64')
        link_end = f'n{number}'
        cluster.link.ip('link', 'add', link_end, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', self.name)
        cluster.link.ip('link', 'set', link_end, 'master', 'nodes', 'up')
        self.ip('addr', 'add', f'{self.address}/24', 'dev', 'eth0')
        self.ip('-6', 'addr', 'add', f'{self.address6}/64', 'dev', 'eth0', 'nodad')
        self.ip('link', 'set', 'eth0', 'up')
        # An address of its own: else it takes the lowest of its ports', and pods keep sending to that of one that has gone.
        self.ip('link', 'add', 'pods', 'address', '02:00:00:00:00:01', 'type', 'bridge')
        self.ip('addr', 'add', f'{self.pods4[1]}/24', 'dev', 'pods')
        self.ip('-6', 'addr', 'add', f'{self.pods6[1]}/64', 'dev', 'pods', 'nodad')
        self.ip('link', 'set', 'pods', 'up')
        self.sysctl('net.ipv4.ip_forward', 1)
        self.sysctl('net.ipv6.conf.all.forwarding', 1)

    def pod(self, name):
        pod = Pod(self, name, len(self.pods) + 1)
        self.pods.append(pod)
        return pod

    def route_to(self, other):
        self.ip('route', 'add', str(other.pods4), 'via', other.address)
        self.ip('-6', 'route', 'add', str(other.pods6), 'via', other.address6)


class Cluster:
    """All that one test makes. `with` removes it."""

    def __init__(self, folder=None):
        _remove_leftovers()
        self.prefix = f'aq{os.getpid()}-'
        self.processes, self.namespaces, self.nodes = [], [], []
        self._own_folder = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix=self.prefix))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.link = None

    def __enter__(self):
        try:
            self.link = Namespace(self, 'link')
            self.link.ip('link', 'add', 'nodes', 'type', 'bridge')
            self.link.ip('link', 'set', 'nodes', 'up')
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.show_logs()
        self.close()

    def node(self):
        node = Node(self, len(self.nodes) + 1)
        for other in self.nodes:
            node.route_to(other)
            other.route_to(node)
        self.nodes.append(node)
        return node

    def spawn(self, command, log, env=None, netns=None):
        process = Process(command, self.folder / f'{log}.log', env=env, netns=netns.name if netns else None)
        self.processes.append(process)
        return process

    def show_logs(self):
        for path in sorted({process.log_path for process in self.processes}):
            text = path.read_text(errors='replace')
            print(f'  --- {path.name}, its last lines:')
            for line in text.splitlines()[-25:]:
                print(f'  {line}')

    def close(self):
        for process in reversed(self.processes):
            process.end()
        self.processes.clear()
        for namespace in list(reversed(self.namespaces)):
            namespace.remove()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)


def _remove_leftovers():
    """Namespaces and folders of runs whose process is no more."""
    def left(folder):
        for path in pathlib.Path(folder).glob('aq*-*'):
            owner = re.fullmatch(r'aq(\d+)-.+', path.name)
            if owner and not os.path.exists(f'/proc/{owner[1]}'):
                yield path
    for path in left(NETNS_FOLDER):
        run('ip', 'netns', 'del', path.name, check_status=False)
    for path in left(tempfile.gettempdir()):
        shutil.rmtree(path, ignore_errors=True)


def why_not():
    """Why namespaces cannot be had here, or None."""
    if os.geteuid() != 0:
        return 'needs root'
    for tool in ('ip', 'nft'):
        if shutil.which(tool) is None:
            return f'needs {tool}'
    probe = f'aq{os.getpid()}-probe'
    made = run('ip', 'netns', 'add', probe, check_status=False)
    entered = run('ip', 'netns', 'exec', probe, 'true', check_status=False)
    run('ip', 'netns', 'del', probe, check_status=False)
    if made.returncode != 0:
        return f'no network namespaces here: {made.stdout.strip()}'
    if entered.returncode != 0:
        return f'no program can be started in a network namespace here: {_why_not_entered(entered.stdout)}'
    return None


def _why_not_entered(output):
    """What "ip netns exec" says, in other words where its own do not say what to do."""
    if '--make-rslave' in output:
        return '/ is no mount point, as in a chroot; bind it onto itself and enter it again (mount --bind ROOT ROOT)'
    return output.strip() or 'ip netns exec fails without a word'


def _raise_exit(number, _frame):
    sys.exit(128 + number)


def main(tests):
    """Runs the tests (functions; each name is its sentence) and leaves with their status. Arguments choose by name."""
    # SIGINT too: who is started in the background of a script ignores it otherwise.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _raise_exit)
    reason = why_not()
    failed = 0
    for test in tests:
        name = test.__name__.replace('_', ' ')
        if len(sys.argv) > 1 and not any(word in name for word in sys.argv[1:]):
            continue
        if reason:
            print(f'skip {name}: {reason}')
            continue
        try:
            test()
        except (AssertionError, OSError, subprocess.SubprocessError) as problem:
            failed += 1
            if not isinstance(problem, Failure):
                traceback.print_exc(file=sys.stdout)
            print(f'not ok {name}: {problem}', flush=True)
        else:
            print(f'ok {name}', flush=True)
    sys.exit(1 if failed else 0)
