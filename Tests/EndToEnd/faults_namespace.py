"""A network of two machines in namespaces of their own, whose packets can be made to vanish; and a hosts file of one's
own. Needs no root where the kernel lets anyone unshare, and `ip` of the package iproute2."""

import functools
import shutil
import subprocess


@functools.cache
def is_possible():
    """Whether this machine lets us make namespaces. That `ip` is missing is no excuse."""
    return subprocess.run(["unshare", "-rnm", "true"], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


class BlackHole:
    """Two namespaces with a cable between them. What is started with `near` or `far` before it runs there.

          near, 10.77.0.1 ════════ far, 10.77.0.2
    """

    near_address = "10.77.0.1"
    far_address = "10.77.0.2"

    def __init__(self):
        assert shutil.which("ip", path="/usr/sbin:/sbin:/usr/bin:/bin"), "ip is missing: run tools/setup"
        self.holders = []
        self.near = self.hold(["unshare", "-rn"])
        # Without a user namespace of its own, so that one may reach into the other.
        self.far = self.hold([*self.enter(self.holders[0], "-U"), "unshare", "-n"])
        peer = ("peer", "name", "cable", "netns", self.holders[1].pid)
        self.ip(self.near, "link", "add", "cable", "type", "veth", *peer)
        for side, address in ((self.near, self.near_address), (self.far, self.far_address)):
            self.ip(side, "address", "add", f"{address}/24", "dev", "cable")
            self.ip(side, "link", "set", "cable", "up")
            self.ip(side, "link", "set", "lo", "up")

    @staticmethod
    def enter(holder, *kinds):
        return ["nsenter", "--target", str(holder.pid), *kinds, "--preserve-credentials", "--"]

    def hold(self, words):
        """Namespaces live as long as a process in them: this one does nothing else."""
        holder = subprocess.Popen(
            [*words, "sh", "-c", "echo; exec sleep 3600"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        self.holders.append(holder)
        holder.stdout.readline()
        return self.enter(holder, "-U", "-n")

    def ip(self, side, *words):
        subprocess.run([*side, "ip", *map(str, words)], check=True, stdin=subprocess.DEVNULL)

    def swallow(self):
        """From now on no packet of the far side arrives, and nobody is told."""
        self.ip(self.far, "route", "add", "blackhole", f"{self.near_address}/32")

    def release(self):
        self.ip(self.far, "route", "del", "blackhole", f"{self.near_address}/32")

    def stop(self):
        for holder in self.holders:
            holder.kill()
            holder.wait()
            holder.stdout.close()


class Names:
    """A hosts file for the processes started with `wrapper` before them; with it goes a name server that is not there,
    so that nothing is asked of the world."""

    def __init__(self, folder):
        self.hosts = folder / "hosts"
        self.resolver = folder / "resolv.conf"
        self.resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        self.hosts.write_text("")

    def write(self, *lines):
        """In place: the file under the mount stays the same one."""
        self.hosts.write_text("".join(line + "\n" for line in lines))

    def look_up(self, name):
        """The IPv4 addresses of a name in the order in which the C library gives them."""
        done = subprocess.run(
            [*self.wrapper, "getent", "ahostsv4", name], stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        return list(dict.fromkeys(line.split()[0] for line in done.stdout.splitlines()))

    @property
    def wrapper(self):
        script = 'mount --bind "$0" /etc/hosts && mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'
        return ["unshare", "-rm", "sh", "-c", script, self.hosts, self.resolver]
