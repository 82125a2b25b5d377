"""What processes cost: CPU time and memory, as the kernel says it, and how busy the machine is."""
import os
import pathlib
import re

_TICKS = os.sysconf('SC_CLK_TCK')


def cpu_of(pid):
    """User and system seconds of a process so far, all threads."""
    fields = pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_of(pid, field='VmRSS'):
    """Megabytes; VmHWM is the most so far."""
    return int(re.search(rf'{field}:\s+(\d+)', pathlib.Path(f'/proc/{pid}/status').read_text())[1]) / 1024


def load_average():
    return ' '.join(pathlib.Path('/proc/loadavg').read_text().split()[:3])
