"""Hosts of a test: network namespaces of this machine on a bridge of their own."""

import contextlib
import os
import subprocess

_FREE_NETWORK = "10.213.{}.{}"


def ip(*arguments):
    subprocess.run(["ip", *map(str, arguments)], check=True, capture_output=True, text=True)


class Network:
    """hosts namespaces with one link each to a bridge that lives in a namespace too: nothing of it
    is seen outside, and it all goes when the namespaces do."""

    def __init__(self, hosts):
        self._name = f"wl{os.getpid()}"
        self._made = []
        self.addresses = [_FREE_NETWORK.format(os.getpid() % 250, host + 1)
                          for host in range(hosts)]
        try:
            self._switch = self._namespace("s")
            ip("-n", self._switch, "link", "add", "switch0", "type", "bridge")
            ip("-n", self._switch, "link", "set", "switch0", "up")
            self.hosts = [self._host(host) for host in range(hosts)]
        except BaseException:
            self.close()
            raise

    def _namespace(self, suffix):
        name = self._name + suffix
        ip("netns", "add", name)
        self._made.append(name)
        ip("-n", name, "link", "set", "lo", "up")
        return name

    def _host(self, number):
        name = self._namespace(f"h{number}")
        ip("-n", self._switch, "link", "add", f"p{number}", "type", "veth", "peer", "name", "eth0",
           "netns", name)
        ip("-n", self._switch, "link", "set", f"p{number}", "master", "switch0", "up")
        ip("-n", name, "address", "add", f"{self.addresses[number]}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        return name

    def prefix(self, host):
        """The words before a command that is to run on a host."""
        return ["ip", "netns", "exec", self.hosts[host]]

    def cut(self, host):
        ip("-n", self._switch, "link", "set", f"p{host}", "down")

    def join(self, host):
        ip("-n", self._switch, "link", "set", f"p{host}", "up")

    def slow(self, host, rate):
        """Bounds what a host sends and gets: rate as tc takes it, such as 2mbit."""
        for namespace, device in ((self._switch, f"p{host}"), (self.hosts[host], "eth0")):
            subprocess.run(["tc", "-n", namespace, "qdisc", "add", "dev", device, "root", "tbf",
                            "rate", rate, "burst", "16kb", "latency", "400ms"],
                           check=True, capture_output=True)

    def fast(self, host):
        for namespace, device in ((self._switch, f"p{host}"), (self.hosts[host], "eth0")):
            subprocess.run(["tc", "-n", namespace, "qdisc", "delete", "dev", device, "root"],
                           check=True, capture_output=True)

    def close(self):
        for name in self._made:
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "delete", name)
