"""A Slurm cluster of one node, which is this machine: munged, slurmctld, slurmd, in a directory."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess

from processes import until

TOOLS = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "scancel", "squeue", "sinfo")
HOST = socket.gethostname().partition(".")[0]
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthInfo=socket={place}/munge
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.pid
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd.log
ReturnToService=2
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=9000
PartitionName=all Nodes={host} Default=YES
"""


def is_here():
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return os.getuid() == 0 and all(shutil.which(tool, path=path) for tool in TOOLS)


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Cluster:
    """Use as a context manager. `environment` is for the commands of whoever uses the cluster."""

    def __init__(self, place):
        self.place = place
        self.environment = {**os.environ, "SLURM_CONF": str(place / "slurm.conf"),
                            "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
        self.running = {}
        for name in ("state", "spool"):
            (place / name).mkdir()
        place.chmod(0o700)
        (place / "slurm.conf").write_text(CONFIGURATION.format(
            place=place, host=HOST, ports=[_free_port(), _free_port()]))

    def start(self, *command):
        output = (self.place / f"{command[0]}.out").open("wb")
        self.running[command[0]] = subprocess.Popen(command, env=self.environment, stdout=output,
                                                    stderr=output, start_new_session=True)

    def run(self, *command):
        return subprocess.run(command, env=self.environment, text=True, capture_output=True,
                              check=False).stdout

    def start_node(self):
        self.start("slurmd", "-D")
        self._set_node("RESUME")
        until(lambda: self.run("sinfo", "-h", "-o", "%t").strip() in ("idle", "mix", "alloc"))

    def kill_node(self):
        """Ends all that the node runs, as if its power had failed."""
        for process in [self.running["slurmd"].pid, *self._of_jobs()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.running.pop("slurmd").wait()
        self._set_node("DOWN")          # Slurm does so too, after some minutes without a word from it

    def _set_node(self, state):
        self.run("scontrol", "update", f"NodeName={HOST}", f"State={state}", "Reason=test")

    def _of_jobs(self):
        """The processes of the jobs, and those that watch them."""
        for entry in filter(str.isdecimal, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{entry}/environ", "rb") as environ, \
                    open(f"/proc/{entry}/cmdline", "rb") as cmdline:
                words = environ.read()
                if str(self.place).encode() in words and (
                        b"SLURM_ARRAY_TASK_ID=" in words or b"slurmstepd" in cmdline.read()):
                    yield int(entry)

    def __enter__(self):
        subprocess.run(["mungekey", "-c", "-k", self.place / "key"], env=self.environment, check=True)
        self.start("munged", "--force", "--foreground", f"--key-file={self.place}/key",
                   f"--socket={self.place}/munge", f"--pid-file={self.place}/munged.pid",
                   f"--log-file={self.place}/munged.log", f"--seed-file={self.place}/seed")
        until(lambda: (self.place / "munge").exists())
        self.start("slurmctld", "-D", "-i")
        self.start_node()
        return self

    def __exit__(self, *_):
        for process in [*self._of_jobs(), *(each.pid for each in self.running.values())]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        for process in self.running.values():
            process.wait()
