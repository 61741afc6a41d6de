// The network against Linux's own TCP/IP, in a network namespace with a TAP device. Needs root; without, it is skipped.
import { spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { existsSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { GsoType, type Packet } from "@xen-node/packets";
import { afterEach, describe, expect, it } from "vitest";
import { UserNet, type UserNetOptions } from "../src/index.ts";
import { pattern } from "./simulation.ts";

const able =
  process.getuid?.() === 0 &&
  existsSync("/dev/net/tun") &&
  spawnSync("unshare", ["-n", "ip", "link"]).status === 0 &&
  spawnSync("python3", ["-c", "import ctypes"]).status === 0;

const PUMP = fileURLToPath(new URL("./linux/tap-pump.py", import.meta.url));
const HEADER_BYTES = 10;
const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

/** virtio_net_hdr, virtio 1.2, 5.1.6. */
function headerOf({ bytes, checksumBlank, gsoType, gsoSize }: Packet): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  const transport = bytes[12] === 0x86 ? 54 : 34;
  if (checksumBlank) {
    header[0] = 1;
    header.writeUInt16LE(transport, 6);
    header.writeUInt16LE(16, 8);
  }
  if (gsoType !== GsoType.none) {
    header[1] = gsoType === GsoType.tcpv4 ? 1 : 4;
    header.writeUInt16LE(transport + 20, 2);
    header.writeUInt16LE(gsoSize, 4);
  }
  return header;
}

/** Runs a Python program in a Linux guest, and returns what it prints. */
async function inGuest(program: string, options: Partial<UserNetOptions> = {}): Promise<string> {
  const child = spawn("python3", [PUMP, 'python3 -c "$PROGRAM"'], { env: { ...process.env, PROGRAM: program } });
  const net = new UserNet({
    acceptGso: true,
    ...options,
    send(packet) {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(HEADER_BYTES + packet.bytes.length);
      return child.stdin.write(Buffer.concat([length, headerOf(packet), packet.bytes])) || true;
    },
  });
  open.push(net);
  let rest = Buffer.alloc(0);
  child.stdout.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32LE(0)) {
      const packet = rest.subarray(4, 4 + rest.readUInt32LE(0));
      rest = rest.subarray(4 + packet.length);
      net.receive({
        bytes: packet.subarray(HEADER_BYTES),
        checksumBlank: (packet[0] & 1) !== 0,
        checksumValid: false,
        gsoType: packet[1] === 1 ? GsoType.tcpv4 : packet[1] === 4 ? GsoType.tcpv6 : GsoType.none,
        gsoSize: packet.readUInt16LE(4),
      });
    }
  });
  child.stdin.on("error", () => {}); // the guest has ended
  let printed = "";
  child.stderr.on("data", (text: Buffer) => {
    printed += text.toString();
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  return code === 0 ? printed : `exit code ${code}: ${printed}`;
}

describe.skipIf(!able)("a Linux guest", () => {
  it.each([true, false])("sends and receives megabytes by TCP, whole (large packets: %s)", async (acceptGso) => {
    const down = pattern(8 << 20);
    let up = 0;
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on("data", (bytes) => {
        up += bytes.length;
        socket.write(bytes); // what came goes back
      });
      socket.on("end", () => socket.end(down));
    });
    open.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const program = `
import hashlib, socket, threading
s = socket.create_connection(("10.0.2.2", ${port}))
data = bytes(range(251)) * 16000
def send():
    s.sendall(data); s.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
got = bytearray()
while (more := s.recv(1 << 20)): got += more
print(got[:len(data)] == data, len(got) - len(data), hashlib.sha256(got[len(data):]).hexdigest())`;
    const { createHash } = await import("node:crypto");
    const digest = createHash("sha256").update(down).digest("hex");
    expect(await inGuest(program, { acceptGso })).toBe(`True ${down.length} ${digest}\n`);
    expect(up).toBe(251 * 16000);
  });

  it("sends datagrams of any size, and learns of refusals", async () => {
    const echo = createSocket("udp4");
    open.push(echo);
    echo.on("message", (message, from) => echo.send(message, from.port, from.address));
    await new Promise<void>((resolve) => echo.bind(0, "127.0.0.1", resolve));
    const program = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(10); s.connect(("10.0.2.2", ${echo.address().port}))
for size in (0, 1, 1472, 1473, 9000, 65000):
    data = bytes(i % 251 for i in range(size)); s.send(data); print(s.recv(70000) == data)
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    r = socket.socket(socket.AF_INET, kind); r.settimeout(10)
    try:
        r.connect(("10.0.2.2", 1)); r.send(b"?"); r.recv(1)
    except ConnectionRefusedError:
        print("refused")`;
    expect(await inGuest(program)).toBe("True\n".repeat(6) + "refused\n".repeat(2));
  });

  it("configures itself by router advertisements, and speaks TCP over IPv6", async () => {
    const server = createServer((socket) => socket.on("error", () => {}).end("over IPv6"));
    open.push(server);
    await new Promise<void>((resolve) => server.listen(0, "::1", resolve));
    const program = `
import socket, time
for wait in range(100):
    try:
        s = socket.create_connection(("fd00:10:0:2::2", ${(server.address() as AddressInfo).port}))
        if s.getsockname()[0].startswith("fd00:10:0:2:"): break # before, only its link-local address is there
    except OSError:
        pass
    time.sleep(0.1)
print(s.recv(100).decode(), s.getsockname()[0].startswith("fd00:10:0:2:"))`;
    expect(await inGuest(program)).toBe("over IPv6 True\n");
  });
});
