#!/usr/bin/env python3
"""Makes the captures in this folder: real traffic between two network namespaces, recorded by tcpdump.

Usage: captures/make.py [--out DIR] [NAME...]      names: dns http http-stale mixed vlan (default: all)

Needs Linux with network namespaces, iproute2 and tcpdump. Run by an ordinary user it makes a user namespace first.
The namespaces belong to threads of this process and have no names, so the kernel removes them, with every device in
them, when the process ends, however it ends. Nothing touches the machine's own interfaces.
"""

import argparse
import contextlib
import ctypes
import fcntl
import http.client
import http.server
import os
import pathlib
import queue
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
HERE = pathlib.Path(__file__).resolve().parent


class Namespace:
    """A network namespace of its own, owned by one thread; threads and processes started there are in it too."""

    def __init__(self, name):
        self.name = name
        self.jobs = queue.Queue()
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()
        self.tid = self.run(threading.get_native_id)
        self.run(lambda: ip("link set lo up"))

    def _work(self):
        if LIBC.unshare(CLONE_NEWNET) != 0:
            sys.exit(f"no new network namespace: {os.strerror(ctypes.get_errno())}; run as root")
        while True:
            job, answer = self.jobs.get()
            try:
                answer.put((job(), None))
            except BaseException as error:  # handed to the caller, who raises it
                answer.put((None, error))

    def run(self, job):
        """Calls `job` inside of the namespace and returns its result."""
        answer = queue.Queue()
        self.jobs.put((job, answer))
        value, error = answer.get()
        if error is not None:
            raise error
        return value


def ip(arguments):
    subprocess.run(["ip", *arguments.split()], check=True)


def add_addresses(device, addresses):
    for address in addresses:
        ip(f"addr add {address} dev {device}" + (" nodad" if ":" in address else ""))


def ethtool_off(device):
    """Segments and checksums are made by the stack, not left to a device that does not exist."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for command in (0x17, 0x1F, 0x24, 0x2C):  # tx checksum, TSO, GSO, GRO
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            request = struct.pack("16sP16x", device.encode(), ctypes.addressof(value))
            with contextlib.suppress(OSError):
                fcntl.ioctl(any_socket, 0x8946, request)  # SIOCETHTOOL


class Network:
    """Two namespaces, a cable between them, addresses on both ends."""

    def __init__(self, mtu=1500, addresses=True):
        self.client, self.server = Namespace("client"), Namespace("server")
        self.client.run(lambda: ip(
            "link add wire address 02:66:00:00:00:02 type veth"
            f" peer name wire address 02:66:00:00:00:01 netns {self.server.tid}"))
        for side in (self.client, self.server):
            side.run(lambda: self._configure(mtu))
        if addresses:
            self.client.run(lambda: add_addresses("wire", CLIENT_ADDRESSES))
            self.server.run(lambda: add_addresses("wire", SERVER_ADDRESSES))
        for side in (self.client, self.server):
            side.run(lambda: ip("link set wire up"))
        time.sleep(0.5)

    @staticmethod
    def _configure(mtu):
        # Link-local addresses and what comes with them would only be noise.
        ip(f"link set wire mtu {mtu} addrgenmode none")
        ethtool_off("wire")

    @contextlib.contextmanager
    def recording(self, path, *options):
        """tcpdump on the server's end, from before the body to after it."""
        command = ["tcpdump", "-i", "wire", "-U", "-s", "0", "-w", str(path), *options]
        if os.geteuid() == 0:
            command += ["-Z", "root"]
        dump = self.server.run(lambda: subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        for line in dump.stderr:
            if "listening on" in line:
                break
        yield
        time.sleep(1.2)  # tcpdump reads in blocks, at the latest after a second
        dump.send_signal(signal.SIGINT)
        dump.communicate()


SERVER4, SERVER6 = "10.66.0.1", "fd66::1"
CLIENT4, CLIENT6 = "10.66.0.2", "fd66::2"
OTHER4, OTHER6 = "10.66.7.7", "fd66:bad::7"
CLIENT_ADDRESSES = [f"{CLIENT4}/16", f"{OTHER4}/16", f"{CLIENT6}/16", f"{OTHER6}/16"]
SERVER_ADDRESSES = [f"{SERVER4}/16", f"{SERVER6}/16"]


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def serve(port, handler, address, kind=socket.SOCK_STREAM):
    """Binds now, serves in a thread until the process ends."""
    server = socket.socket(family(address), kind)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    if kind == socket.SOCK_STREAM:
        server.listen()

    def tcp():
        while True:
            connection, _ = server.accept()
            threading.Thread(target=handler, args=(connection,), daemon=True).start()

    def udp():
        while True:
            data, peer = server.recvfrom(65535)
            reply = handler(data)
            if reply:
                server.sendto(reply, peer)

    threading.Thread(target=tcp if kind == socket.SOCK_STREAM else udp, daemon=True).start()


# ---- DNS ----------------------------------------------------------------------------------------------------------

A, NS, CNAME, MX, TXT, AAAA = 1, 2, 5, 15, 16, 28
ZONE = {
    "skep.example": {A: ["203.0.113.10"], AAAA: ["2001:db8::10"], MX: ["mail.skep.example"], TXT: ["bees at work"]},
    "mail.skep.example": {A: ["203.0.113.25", "203.0.113.26"]},
    "www.skep.example": {CNAME: ["skep.example"]},
    "a-rather-long-label-to-see-how-names-are-walked.deep.down.in.the.tree.skep.example": {A: ["203.0.113.77"]},
}


def dns_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def dns_record(kind, value):
    if kind in (A, AAAA):
        data = socket.inet_pton(socket.AF_INET if kind == A else socket.AF_INET6, value)
    elif kind == MX:
        data = struct.pack("!H", 10) + dns_name(value)
    elif kind == TXT:
        data = bytes([len(value)]) + value.encode()
    else:
        data = dns_name(value)
    return b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 300, len(data)) + data


def dns_answer(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    kind = struct.unpack_from("!H", query, at + 1)[0]
    question, records = query[12 : at + 5], ZONE.get(".".join(labels))
    wanted = [(k, v) for k, values in (records or {}).items() if k in (kind, CNAME) for v in values]
    header = struct.pack("!HHHHHH", struct.unpack_from("!H", query)[0], 0x8580 | (3 if records is None else 0),
                         1, len(wanted), 0, 0)
    return header + question + b"".join(dns_record(k, v) for k, v in wanted)


def dns_ask(server, name, kind, number):
    with socket.socket(family(server), socket.SOCK_DGRAM) as asker:
        asker.settimeout(2)
        asker.sendto(struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + dns_name(name) + struct.pack("!HH", kind, 1),
                     (server, 53))
        asker.recv(4096)


def dns_queries(servers):
    number = 0x5B00
    for server in servers:
        for name in [*ZONE, "no-such-host.skep.example"]:
            for kind in (A, AAAA, MX, TXT):
                number += 1
                dns_ask(server, name, kind, number)


def make_dns(out):
    network = Network()
    network.server.run(lambda: [serve(53, dns_answer, a, socket.SOCK_DGRAM) for a in (SERVER4, SERVER6)])
    with network.recording(out / "dns.pcap", "--time-stamp-precision=nano"):
        network.client.run(lambda: dns_queries([SERVER4, SERVER6]))


# ---- HTTP ---------------------------------------------------------------------------------------------------------

class Handler(http.server.BaseHTTPRequestHandler):
    """Answers everything with two bytes and keeps a list of what was asked."""

    protocol_version = "HTTP/1.1"
    seen = []

    def answer(self):
        if self.request_version != "HTTP/0.9":  # that is how a request cut short looks
            Handler.seen.append(f"{self.command} {self.path}")
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "0" if self.command == "HEAD" else "3")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"ok\n")

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = answer

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address, port):
        self.address_family = family(address)
        super().__init__((address, port), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def url(length, seed):
    """A URL of exactly that many bytes, in which every place looks different."""
    text = f"/{seed}?length={length}"
    piece = 0
    while len(text) < length:
        piece += 1
        text += f"&{seed}{piece:03}={piece * 7919 % 100000:05}"
    return text[:length]


def http_session(server, port, requests, segment=None, pause=0.0):
    connection = http.client.HTTPConnection(server, port, timeout=5)
    connection.sock = socket.socket(family(server), socket.SOCK_STREAM)
    if segment:
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment)
    connection.sock.connect((server, port))
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for method, target, body in requests:
        connection.request(method, target, body=body, headers={"User-Agent": "capture/1"})
        connection.getresponse().read()
        time.sleep(pause)
    connection.close()


def http_dribble(server, port, target, piece, pause):
    """A client that hands its request to the network a few bytes at a time."""
    with socket.create_connection((server, port), timeout=60) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = f"GET {target} HTTP/1.1\r\nHost: dribble\r\n\r\n".encode()
        for start in range(0, len(request), piece):
            client.sendall(request[start : start + piece])
            time.sleep(pause)
        client.recv(4096)


def http_abandoned(server, port, target):
    """A client that asks for half a URL and goes away."""
    with socket.create_connection((server, port), timeout=5) as client:
        client.sendall(f"GET {target}".encode())
        time.sleep(0.1)


def http_traffic(server):
    http_session(server, 80, [("GET", "/", None), ("GET", "/index.html", None), ("HEAD", "/logo.svg", None),
                              ("POST", "/login", b"user=bee&word=honey"), ("GET", "/account?tab=1", None),
                              ("DELETE", "/session", None)])
    # URLs longer than a segment, several in one connection.
    http_session(server, 80, [("GET", url(n, "long"), None) for n in (1300, 1500, 2900, 4096, 6000)])
    # Up to the limit, and a body of several segments after it.
    http_session(server, 8080, [("GET", url(8000, "huge"), None), ("PUT", url(8192, "limit"), b"x" * 4000),
                                ("GET", "/after-the-body", None)])
    # Small segments: even middling URLs span several.
    http_session(server, 80, [("GET", url(n, "small"), None) for n in (30, 300, 700, 1200)], segment=256)
    http_dribble(server, 80, url(240, "dribble"), 50, 0.02)
    http_abandoned(server, 80, url(600, "abandoned"))
    # Sessions at the same time, their packets mixed.
    threads = [threading.Thread(target=http_session, args=(server, 80, [
        ("GET", url(2000 + 500 * n, f"crowd{n}-{turn}"), None) for turn in range(2)])) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def make_http(out):
    network = Network()
    network.server.run(lambda: [Server(a, p) for a in (SERVER4, SERVER6) for p in (80, 8080)])
    for name, address in (("http", SERVER4), ("http6", SERVER6)):
        Handler.seen.clear()
        with network.recording(out / f"{name}.pcap"):
            network.client.run(lambda: http_traffic(address))
        (out / f"{name}.urls").write_text("".join(f"{line}\n" for line in sorted(Handler.seen)))


def make_http_stale(out):
    """One client starts a URL and falls silent for 40 seconds while others go on."""
    network = Network()
    network.server.run(lambda: Server(SERVER4, 80))
    Handler.seen.clear()
    with network.recording(out / "http-stale.pcap"):
        def talk():
            threading.Thread(target=http_dribble, args=(SERVER4, 80, url(160, "stale"), 100, 40), daemon=True).start()
            time.sleep(0.2)
            http_session(SERVER4, 80, [("GET", f"/tick/{n}", None) for n in range(155)], pause=0.25)
        network.client.run(talk)
        time.sleep(4)
    (out / "http-stale.urls").write_text("".join(f"{line}\n" for line in sorted(Handler.seen)))


# ---- A bit of everything ------------------------------------------------------------------------------------------

TCP_PORTS = (22, 23, 80, 443, 8080)
UDP_PORTS = (53, 123, 514, 9999)


def banner(connection):
    with connection:
        connection.sendall(b"hello, who is there?\r\n")
        while data := connection.recv(4096):
            connection.sendall(data[::-1])


def tls_nobody(connection):
    with connection:
        connection.recv(4096)
        connection.sendall(bytes.fromhex("15030100020228"))  # alert: handshake failure


def tcp_talk(server, port, source, lines):
    with socket.create_connection((server, port), timeout=5, source_address=(source, 0)) as client:
        if port == 443:
            context = ssl.create_default_context()
            with contextlib.suppress(ssl.SSLError):
                context.wrap_socket(client, server_hostname="skep.example")
            return
        client.recv(4096)
        for line in lines:
            client.sendall(line)
            client.recv(4096)


def udp_talk(server, port, source, data):
    with socket.socket(family(server), socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.bind((source, 0))
        client.sendto(data, (server, port))
        client.recv(65535)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def ping(server, source, count, size):
    six = ":" in server
    with socket.socket(family(server), socket.SOCK_RAW, 58 if six else 1) as client:
        client.settimeout(2)
        client.bind((source, 0))
        for number in range(count):
            body = struct.pack("!HH", 0x5B, number) + bytes(i & 0xFF for i in range(size))
            kind = struct.pack("!BB", 128 if six else 8, 0)
            total = 0 if six else checksum(kind + b"\0\0" + body)  # for IPv6 the kernel computes it
            client.sendto(kind + struct.pack("!H", total) + body, (server, 0))
            client.recv(65535)


def mixed_traffic():
    for server, sources in ((SERVER4, (CLIENT4, OTHER4)), (SERVER6, (CLIENT6, OTHER6))):
        for source in sources:
            ping(server, source, 3, 56)
            for port in TCP_PORTS:
                tcp_talk(server, port, source, [b"one line\r\n", b"and another\r\n"])
            for port in UDP_PORTS:
                udp_talk(server, port, source, f"to port {port}".encode())
        udp_talk(server, 9999, sources[0], bytes(i % 251 for i in range(3500)))  # three fragments each way
    tcp_talk(SERVER4, 80, CLIENT4, [b"many words " * 400])


def serve_mixed():
    for address in (SERVER4, SERVER6):
        for port in TCP_PORTS:
            serve(port, tls_nobody if port == 443 else banner, address)
        for port in UDP_PORTS:
            serve(port, lambda data: data, address, socket.SOCK_DGRAM)


def make_mixed(out):
    network = Network()
    network.server.run(serve_mixed)
    with network.recording(out / "mixed.pcap"):
        network.client.run(mixed_traffic)
    to_pcapng(out / "mixed.pcap", out / "mixed.pcapng")


def to_pcapng(source, target):
    """The same packets in the newer format: two interfaces' worth of options, nanoseconds, a block nobody knows."""
    data = source.read_bytes()
    assert struct.unpack_from("<I", data)[0] == 0xA1B2C3D4, "a microsecond pcap of this machine's byte order"

    def option(code, value):
        return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)

    def block(kind, body):
        length = 12 + len(body)
        return struct.pack("<II", kind, length) + body + struct.pack("<I", length)

    end = struct.pack("<HH", 0, 0)
    blocks = [block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + option(4, b"captures/make.py") + end),
              block(1, struct.pack("<HHI", 1, 0, 262144) + option(2, b"wire") + option(9, b"\x09") + end),
              block(0x0BAD, b"skip me!" + bytes(4))]
    at = 24
    while at < len(data):
        seconds, micros, kept, length = struct.unpack_from("<IIII", data, at)
        stamp = seconds * 10**9 + micros * 1000
        packet = data[at + 16 : at + 16 + kept]
        blocks.append(block(6, struct.pack("<IIIII", 0, stamp >> 32, stamp & 0xFFFFFFFF, kept, length)
                            + packet + bytes(-kept % 4)))
        at += 16 + kept
    target.write_bytes(b"".join(blocks))


# ---- VLAN ---------------------------------------------------------------------------------------------------------

class Switch:
    """One side of a trunk: a TAP device per VLAN, tags put on and taken off in between.

    The kernel takes the outer tag off a frame before a packet socket sees it and reports it beside the frame.
    """

    ETH_ALL, SOL_PACKET, PACKET_AUXDATA = 3, 263, 8

    def __init__(self, addresses, last_byte):
        self.trunk = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(self.ETH_ALL))
        self.trunk.bind(("wire", self.ETH_ALL))
        self.trunk.setsockopt(self.SOL_PACKET, self.PACKET_AUXDATA, 1)
        self.taps = {}
        for tags, own in addresses.items():
            name = "vlan" + "-".join(str(number) for _, number in tags)
            tap = os.open("/dev/net/tun", os.O_RDWR)
            fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1002))  # TUNSETIFF, TAP | NO_PI
            ip(f"link set {name} address 02:66:{tags[-1][1]:02x}:00:00:{last_byte:02x} mtu 1492 addrgenmode none")
            ethtool_off(name)
            add_addresses(name, own)
            ip(f"link set {name} up")
            self.taps[tags] = tap
            threading.Thread(target=self._out, args=(tags, tap), daemon=True).start()
        threading.Thread(target=self._in, daemon=True).start()

    def _out(self, tags, tap):
        marks = b"".join(struct.pack("!HH", kind, number) for kind, number in tags)
        while frame := os.read(tap, 65535):
            self.trunk.send(frame[:12] + marks + frame[12:])

    def _in(self):
        while True:
            frame, extra, _, peer = self.trunk.recvmsg(65535, 256)
            if peer[2] == 4:  # our own, on its way out
                continue
            tags = []
            for level, kind, data in extra:
                if level == self.SOL_PACKET and kind == self.PACKET_AUXDATA:
                    status, _, _, _, _, number, protocol = struct.unpack_from("IIIHHHH", data)
                    if status & 0x10:
                        tags.append((protocol, number & 0xFFF))
            while frame[12:14] in (b"\x81\x00", b"\x88\xa8"):
                kind, number = struct.unpack_from("!HH", frame, 12)
                tags.append((kind, number & 0xFFF))
                frame = frame[:12] + frame[16:]
            if tap := self.taps.get(tuple(tags)):
                os.write(tap, frame)


VLANS = [((0x8100, 42),), ((0x88A8, 100), (0x8100, 7))]


def make_vlan(out):
    network = Network(addresses=False)
    ends = {}
    for side, last in ((network.server, 1), (network.client, 2)):
        plan = {tags: [f"10.{tags[-1][1]}.0.{last}/16", f"fd{tags[-1][1]:02}::{last}/32"] for tags in VLANS}
        ends[side] = side.run(lambda: Switch(plan, last))
    servers = [a.format(tags[-1][1]) for tags in VLANS for a in ("10.{}.0.1", "fd{:02}::1")]
    time.sleep(0.5)

    def listen():
        for address in servers:
            Server(address, 80)
            serve(53, dns_answer, address, socket.SOCK_DGRAM)

    def talk():
        for number, address in enumerate(servers):
            ping(address, address[:-1] + "2", 2, 40)
            dns_ask(address, "www.skep.example", A, 0x4200 + number)
            http_session(address, 80, [("GET", "/tagged", None), ("GET", url(3000, "tagged"), None)])

    Handler.seen.clear()
    network.server.run(listen)
    with network.recording(out / "vlan.pcap"):
        network.client.run(talk)
    (out / "vlan.urls").write_text("".join(f"{line}\n" for line in sorted(Handler.seen)))


MAKERS = {"dns": make_dns, "http": make_http, "http-stale": make_http_stale, "mixed": make_mixed, "vlan": make_vlan}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    parser.add_argument("names", nargs="*", choices=[[], *MAKERS], default=[])
    options = parser.parse_args()
    if os.geteuid() != 0:
        os.execvp("unshare", ["unshare", "--user", "--map-root-user", "--net", sys.executable, *sys.argv])
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names or MAKERS:
        print(f"making {name} ...", flush=True)
        MAKERS[name](options.out)
    for path in sorted(options.out.glob("*.pcap*")):
        print(f"{path.stat().st_size:8} bytes  {path.name}")


if __name__ == "__main__":
    main()
