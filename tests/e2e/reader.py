"""Who follows a walk-through: types its commands into a shell that stands in the folder with its manifests, looks at what they print."""
import dataclasses
import pathlib
import subprocess

from cluster import lib

FOLDER = pathlib.Path(__file__).parent / 'walkthroughs'
COMMAND_S = 90


@dataclasses.dataclass
class Answer:
    command: str
    status: int
    out: str
    err: str

    def __str__(self):
        return f'$ {self.command}\n{self.out}{self.err}[{self.status}]'


class Reader:
    """One shell: what a command exports is there for the next. The folder is below tests/e2e/walkthroughs, or given whole."""

    def __init__(self, made, folder, state):
        self.made, self.folder, self.state = made, FOLDER / folder, state / 'shell'
        self.state.write_text('')
        self.last = None

    def command(self, text):
        script = f'. {self.state}\n{text}\nstatus=$?\nexport -p >{self.state}\nexit $status'
        env = self.made.shell_environment() | {'TMPDIR': str(self.state.parent)}
        done = subprocess.run(['bash', '-o', 'pipefail', '-c', script], cwd=self.folder, env=env, text=True, errors='replace',
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_S, check=False)
        self.last = Answer(text, done.returncode, done.stdout, done.stderr)
        return self.last

    def types(self, text, *wanted):
        """A command that succeeds, and prints what is wanted; its answer."""
        answer = self.command(text)
        missing = [want for want in wanted if want not in answer.out]
        lib.check(answer.status == 0 and not missing, f'expected {missing or "success"}\n{answer}')
        return answer

    def fails(self, text, *wanted):
        answer = self.command(text)
        lib.check(answer.status != 0 and all(want in answer.out + answer.err for want in wanted), f'expected {wanted}\n{answer}')
        return answer

    def sees(self, text, *wanted, seconds=20):
        """The same command until it prints what is wanted: objects take a moment to reach the proxies."""
        def right():
            answer = self.command(text)
            return answer if answer.status == 0 and all(want in answer.out for want in wanted) else None
        try:
            return lib.eventually(right, f'{wanted}', seconds)
        except lib.Failure as failure:
            raise lib.Failure(f'{failure}\n{self.last}') from failure

    def converts(self, *files, words=''):
        """Manifests of versions that no API server takes any more."""
        return self.types(f'aquifer convert {" ".join(f"-f {file}" for file in files)} | kubectl apply {words} -f -')

    def condition(self, what, kind, place=''):
        """STATUS REASON of a condition, by kubectl: `what` names the object, `place` the list that holds the conditions."""
        path = f'{{.status{place}.conditions[?(@.type=="{kind}")].status}} {{.status{place}.conditions[?(@.type=="{kind}")].reason}}'
        return f"kubectl get {what} -o jsonpath='{path}'"


