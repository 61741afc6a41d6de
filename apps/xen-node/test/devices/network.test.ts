import { createHash } from "node:crypto";
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CliRun, startCli } from "../support/cli.ts";
import { noRealGuests } from "../support/real-guests.ts";

const BOOT_MS = 150_000;
const TRANSFER_MS = 180_000;
const BIG_BYTES = 100_000_000;
const CONNECTIONS = 200;

/** Answers every question about addresses with 10.0.2.2, the gateway's own. */
function nameServer(): UdpSocket {
  const socket = createSocket("udp4");
  socket.on("message", (query, peer) => {
    const type = query.readUInt16BE(query.length - 4);
    const answer = Buffer.concat([
      query.subarray(0, query.length),
      Buffer.from("c00c00010001000000000004", "hex"),
      Buffer.from([10, 0, 2, 2]),
    ]);
    const reply = Buffer.from(type === 1 ? answer : query);
    reply.writeUInt16BE(0x8180, 2);
    reply.writeUInt16BE(type === 1 ? 1 : 0, 6);
    socket.send(reply, peer.port, peer.address);
  });
  return socket;
}

/** A port that nobody listens on now. */
async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

describe.skipIf(noRealGuests)("the network of Debian's kernel through NAT", () => {
  const big = Buffer.alloc(BIG_BYTES);
  for (let at = 0, x = 1; at < big.length; at += 4) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    big.writeUInt32LE(x, at);
  }
  const sum = createHash("sha256").update(big).digest("hex");
  const names = nameServer();
  let uploaded = "";
  let server: Server;
  let run: CliRun;
  let webPort: number;
  let guestPort: number;

  beforeAll(async () => {
    names.bind(0, "127.0.0.1");
    await once(names, "listening");
    server = createServer((request, response) => {
      if (request.url === "/big") return response.end(big);
      if (request.method === "PUT" || request.method === "POST") {
        const hash = createHash("sha256");
        request.on("data", (chunk) => hash.update(chunk));
        request.on("end", () => {
          uploaded = hash.digest("hex");
          response.end("thanks");
        });
        return;
      }
      // Slow, so that all connections are there at once.
      setTimeout(() => response.end(`number ${request.url?.slice(1)}\n`), 3000);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    webPort = (server.address() as AddressInfo).port;
    guestPort = await freePort();
    run = startCli([
      ...["run", "--vif", "", "--cmdline", "console=hvc0 ip=dhcp"],
      ...["--dns", `127.0.0.1:${names.address().port}`, "--forward", `tcp::${guestPort}-:80`],
    ]);
    await run.console.expect(/# /, BOOT_MS);
    await run.console.command("dmesg -n 1");
  }, BOOT_MS + 60_000);

  afterAll(() => {
    run?.child.kill("SIGKILL");
    names.close();
    server?.close();
  });

  it("gets its address, router and name server by DHCP", async () => {
    expect(await run.console.command("ip -4 addr show eth0; ip route; cat /etc/resolv.conf")).toMatch(
      /inet 10\.0\.2\.15\/24[\s\S]*default via 10\.0\.2\.2 dev eth0[\s\S]*nameserver 10\.0\.2\.3/,
    );
  });

  it("asks the host's name servers and pings the gateway", async () => {
    expect(await run.console.command("nslookup -type=a files.example 10.0.2.3")).toMatch(
      /Address:? *(1:)? *10\.0\.2\.2/,
    );
    expect(await run.console.command("ping -c 3 -i 0.2 10.0.2.2 | tail -n 2", 30_000)).toContain("3 packets received");
  });

  it(`fetches ${BIG_BYTES / 1e6} MB whole, and sends as much`, { timeout: 2 * TRANSFER_MS }, async () => {
    const fetched = await run.console.command(
      `wget -q -O - http://files.example:${webPort}/big | sha256sum`,
      TRANSFER_MS,
    );
    expect(fetched).toContain(sum);
    // 40 MB from the guest: what the generator of its own gives, hashed on both sides.
    await run.console.command("dd if=/dev/urandom of=/tmp/up bs=1M count=20 2>/dev/null", TRANSFER_MS);
    const own = await run.console.command("sha256sum </tmp/up", TRANSFER_MS);
    await run.console.command(
      `(printf 'PUT / HTTP/1.0\\r\\nContent-Length: 20971520\\r\\n\\r\\n'; cat /tmp/up) | nc 10.0.2.2 ${webPort}`,
      TRANSFER_MS,
    );
    expect(own).toContain(uploaded);
  });

  it(`has ${CONNECTIONS} connections at once`, { timeout: TRANSFER_MS }, async () => {
    const said = await run.console.command(
      `for i in $(seq ${CONNECTIONS}); do wget -q -O /tmp/c$i http://10.0.2.2:${webPort}/$i & done; wait; cat /tmp/c* | sort -u | wc -l`,
      TRANSFER_MS,
    );
    expect(said.trim().split("\n").at(-1)?.trim()).toBe(String(CONNECTIONS));
  });

  it("is reached from the host by a forwarded port", { timeout: 60_000 }, async () => {
    await run.console.command("mkdir -p /www; echo from the guest >/www/index.html; httpd -h /www");
    const answer = await fetch(`http://127.0.0.1:${guestPort}/`);
    expect(await answer.text()).toBe("from the guest\n");
  });

  it("leaves with its guest", { timeout: 60_000 }, async () => {
    run.console.send("poweroff -f\r");
    expect(await run.exit, run.errors()).toBe(0);
  });
});
