import { request } from "node:http";
import { Hypervisor, type Processor, VirtualClock } from "@xen-node/hypervisor-core";
import { RUNSTATE_runnable, RUNSTATE_running } from "@xen-node/xen-abi";
import { afterEach, describe, expect, it } from "vitest";
import { machineMetrics } from "../../src/metrics/machine-metrics.ts";
import { MetricsServer, parseMetricsAddress } from "../../src/metrics/metrics-server.ts";

const SECOND = 1e9;
const XEN_VERSION = 17;
const IRET = 23;
const SYSCALL = 4;

/** A machine with a domain whose numbers are known. */
function machine() {
  const hypervisor = new Hypervisor({ memoryBytes: 80 * 2 ** 20, clock: new VirtualClock() });
  const domain = hypervisor.createDomain({ kind: "pv", maxPages: 1024, vcpus: 2 });
  const [first, second] = domain.vcpus;
  first.runstate.timeNs[RUNSTATE_running] = 1.5 * SECOND;
  second.runstate.timeNs[RUNSTATE_running] = 0.25 * SECOND;
  first.runstate.change(RUNSTATE_runnable, 0);
  hypervisor.clock.retire(2e8); // 2 s, for which it has been waiting
  domain.servedNs = 0.125 * SECOND;
  domain.totalPages = 512;
  domain.activity.hypercalls[XEN_VERSION] = 3;
  domain.activity.hypercalls[IRET] = 7;
  domain.activity.exits[SYSCALL] = 10;
  domain.activity.events = 4;
  const counters = { compiled: 5, shared: 15, invalidated: 1, evicted: 0, regions: 19, wasmBytes: 4096 };
  const processor = { retired: 123456789, translator: { counters } } as unknown as Processor;
  const { domains, cpupools } = hypervisor;
  const source = {
    hypervisor: { domains, cpupools, processor, now: () => hypervisor.now() },
    totalMemoryKib: 4096,
    freeMemoryKib: 1024,
  };
  const statistics = () => ({
    networks: [
      {
        handle: 0,
        sentBytes: 100,
        receivedBytes: 2000,
        sentPackets: 1,
        receivedPackets: 2,
        sentFlows: 4,
        sentDrops: 3,
        receivedDrops: 0,
      },
    ],
    disks: [
      {
        vdev: 51712,
        name: "xvda",
        reads: 8,
        writes: 4,
        flushes: 2,
        discards: 1,
        readSectors: 16,
        writtenSectors: 32,
        waits: 0,
      },
    ],
  });
  const uuid = "01020304-0506-0708-090a-0b0c0d0e0f10";
  const guests = [{ guest: { name: 'we"b', uuid, statistics }, domain, startTime: 1_700_000_000 }];
  return { registry: machineMetrics(source, guests), domain, guests };
}

describe("metrics", () => {
  it("are these, in Prometheus' text format", async () => {
    await expect(await machine().registry.metrics()).toMatchFileSnapshot("machine.prom");
  });

  it("are read anew each time, and go with their guest", async () => {
    const { registry, domain, guests } = machine();
    await registry.metrics();
    domain.activity.hypercalls[IRET]++;
    expect(await registry.metrics()).toContain(
      'xen_domain_hypercalls_total{domid="1",domain="we\\"b",hypercall="iret"} 8',
    );
    guests.pop();
    const text = await registry.metrics();
    expect(text).not.toContain("domid=");
    expect(text).toContain("xen_instructions_total 123456789");
  });
});

describe("the server of metrics", () => {
  const servers: MetricsServer[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  async function serve(): Promise<MetricsServer> {
    const server = await MetricsServer.listen(parseMetricsAddress("0"), machine().registry);
    servers.push(server);
    return server;
  }

  const ask = (url: string, method = "GET"): Promise<number> =>
    new Promise((resolve, reject) => {
      request(url, { method }, (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode ?? 0));
      })
        .on("error", reject)
        .end();
    });

  it("answers at /metrics of the loopback interface", async () => {
    const { url } = await serve();
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
    const response = await fetch(url);
    expect(response.headers.get("content-type")).toContain("version=0.0.4");
    expect(await response.text()).toContain("# TYPE xen_domain_cpu_seconds_total counter");
  });

  it("answers nothing else", async () => {
    const { url } = await serve();
    expect(await ask(url.replace("/metrics", "/"))).toBe(404);
    expect(await ask(url, "POST")).toBe(405);
    expect(await ask(`${url}?name[]=x`)).toBe(200);
  });

  it("says so if its port is taken", async () => {
    const { url } = await serve();
    const again = MetricsServer.listen(parseMetricsAddress(new URL(url).port), machine().registry);
    await expect(again).rejects.toThrow(/another program listens there\): give --metrics another address\.$/);
  });

  it.each([
    ["9180", "127.0.0.1", 9180],
    ["0.0.0.0:80", "0.0.0.0", 80],
    ["[::1]:9180", "::1", 9180],
  ])("takes %s", (text, host, port) => expect(parseMetricsAddress(text)).toEqual({ host, port }));

  it.each(["", "x", "99999", "example.org:80", "::1:80", "[1.2.3.4]:80", "1.2.3.4:", "80:80"])("refuses %s", (text) => {
    expect(() => parseMetricsAddress(text)).toThrow(/is neither a port nor an address with one/);
  });
});
