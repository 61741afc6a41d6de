# A Linux guest for tests: a network namespace whose only link is a TAP device, with checksum and segmentation offloads.
# Packets go over stdin and stdout, each as a length (32 bits, little-endian), a virtio_net_hdr of 10 bytes and the frame.
# Runs the shell command of its first argument inside, with the output on stderr, and ends with its exit code.
import ctypes, fcntl, os, struct, subprocess, sys, threading

CLONE_NEWNET = 0x40000000
TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 2, 0x1000, 0x4000
TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6 = 1, 2, 4

if ctypes.CDLL(None).unshare(CLONE_NEWNET) != 0:
    sys.exit("no network namespace")
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", b"guest0", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
fcntl.ioctl(tap, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)
for command in (
    "ip link set lo up",
    "ip link set guest0 up",
    "ip addr add 10.0.2.15/24 dev guest0",
    "ip route add default via 10.0.2.2",
):
    subprocess.check_call(command.split())


def exactly(count):
    data = b""
    while len(data) < count:
        more = os.read(0, count - len(data))
        if not more:
            return None
        data += more
    return data


def to_guest():
    while (head := exactly(4)) is not None:
        packet = exactly(struct.unpack("<I", head)[0])
        if packet is None:
            return
        os.write(tap, packet)


def from_guest():
    while True:
        packet = os.read(tap, 70000)
        sys.stdout.buffer.write(struct.pack("<I", len(packet)) + packet)
        sys.stdout.buffer.flush()


for pump in (to_guest, from_guest):
    threading.Thread(target=pump, daemon=True).start()
code = subprocess.call(sys.argv[1], shell=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)
os._exit(code)
