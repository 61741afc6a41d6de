import type { OperationHandlers } from "@xen-node/control";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { domainList } from "../src/format/domain-list.ts";
import { domain, type FakeDaemon, fakeDaemon, listing, machine, NOW } from "./support.ts";

const dom0 = domain(0, "Domain-0", {
  memoryKib: 0,
  running: true,
  blocked: false,
  timeNs: 1_234_500_000_000,
  vcpus: [
    { id: 0, online: true, running: true, blocked: false, timeNs: 1_234_500_000_000, processor: 0, affinity: null },
  ],
  startTime: Math.floor(NOW.getTime() / 1000) - 2 * 86_400 - 7,
});
const domains = [
  dom0,
  domain(1, "web", {
    vcpus: [
      { id: 0, online: true, running: false, blocked: true, timeNs: 12_340_000_000, processor: 0, affinity: null },
      { id: 1, online: false, running: false, blocked: false, timeNs: 0, processor: 0, affinity: null },
    ],
  }),
  domain(12, "a-name-that-is-longer-than-the-forty-columns-for-it", { blocked: false, paused: true }),
  domain(13, "fallen", { blocked: false, shutdownReason: 3, timeNs: 0 }),
  domain(14, "off", { blocked: false, shutdownReason: 0, dying: true, timeNs: 60_000_000 }),
];

const asked: unknown[] = [];
const note = (name: string) => (args: unknown) => {
  asked.push([name, args]);
  return null;
};

const operations: OperationHandlers = {
  list: listing(domains),
  config: ({ domain: id }) => ({ c_info: { type: "pv", name: `domain ${id}` } }),
  info: () => machine,
  sharing: () => [{ domid: 1, sharedKib: 200 * 1024 + 4 }],
  log: ({ clear }) => ["(XEN) one", `(XEN) clear ${clear}`],
  pause: note("pause"),
  shutdown: note("shutdown"),
  wait: ({ domid }) => (domid === 1 ? 0 : null),
  save: (args) => {
    note("save")(args);
    return { mandatoryFlags: 3, optionalFlags: 0, optionalBytes: 1319, hasConfig: true };
  },
  fork: (args) => {
    note("fork")(args);
    return [{ domid: 7, name: "web-fork1" }];
  },
  restore: (args) => {
    note("restore")(args);
    const saved = { mandatoryFlags: 3, optionalFlags: 0, optionalBytes: 1319, hasConfig: true };
    return { domid: 7, saved, warnings: [] };
  },
  "dump-core": note("dump-core"),
  rename: note("rename"),
  sysrq: note("sysrq"),
  nmi: note("nmi"),
  "mem-set": note("mem-set"),
  "vcpu-set": note("vcpu-set"),
  "block-attach": note("block-attach"),
  "block-detach": note("block-detach"),
  "cd-insert": note("cd-insert"),
  "block-list": () => [
    { vdev: 51712, state: 4, eventChannel: 9, ringRef: 8, backendPath: "/local/domain/0/backend/vbd/1/51712" },
    { vdev: 51728, state: 2, eventChannel: null, ringRef: null, backendPath: "/local/domain/0/backend/vbd/1/51728" },
  ],
  "network-list": () => [
    {
      handle: 0,
      mac: "00:16:3e:01:02:03",
      state: 4,
      eventChannel: 10,
      txRingRef: 768,
      rxRingRef: 769,
      backendPath: "/local/domain/0/backend/vif/1/0",
    },
  ],
};

let daemon: FakeDaemon;
beforeAll(async () => {
  daemon = await fakeDaemon(operations);
});
afterAll(() => daemon.close());

/** The widths are those of the format strings in xl 4.17 as Debian ships it. */
describe("what xl prints", () => {
  it("list", async () => {
    expect((await daemon.xl("list")).stdout).toBe(
      [
        "Name                                        ID   Mem VCPUs\tState\tTime(s)",
        "Domain-0                                     0     0     1     r-----    1234.5",
        "web                                          1   256     1     -b----      12.3",
        "a-name-that-is-longer-than-the-forty-columns-for-it    12   256     1     --p---      12.3",
        "fallen                                      13   256     1     ---sc-       0.0",
        "off                                         14   256     1     ---s-d       0.1",
        "",
      ].join("\n"),
    );
  });

  it("list of one domain, by name and by number", async () => {
    const byName = await daemon.xl("list", "web");
    expect(byName.stdout.split("\n")).toHaveLength(3);
    expect(await daemon.xl("list", "1")).toEqual(byName);
  });

  it("list -v", async () => {
    const [header, , web, , fallen] = (await daemon.xl("list", "-v")).stdout.split("\n");
    expect(header).toBe(
      "Name                                        ID   Mem VCPUs\tState\tTime(s)   UUID                            Reason-Code\tSecurity Label",
    );
    expect(web).toMatch(/ 12\.3 01234567-89ab-4cde-8f01-23456789abcd {8}- {16}-$/);
    expect(fallen).toMatch(/abcd {8}3 {16}-$/);
  });

  it("list -Z, -c and -n, alone and together", async () => {
    const lines = async (...options: string[]) =>
      (await daemon.xl("list", ...options, "web")).stdout.split("\n").map((line, at) => line.slice(at === 0 ? 72 : 79));
    expect(await lines("-Z")).toEqual(["   Security Label", "                -", ""]);
    expect(await lines("-c")).toEqual(["         Cpupool", "          Pool-0", ""]);
    expect(await lines("-n")).toEqual([" NODE Affinity", " all", ""]);
    expect(await lines("-v", "-c", "-n")).toEqual([
      "   UUID                            Reason-Code\tSecurity Label         Cpupool NODE Affinity",
      " 01234567-89ab-4cde-8f01-23456789abcd        -                -          Pool-0 all",
      "",
    ]);
  });

  it("why a domain shut down", async () => {
    const states = [0, 1, 2, 3, 4, 5, 6].map((shutdownReason) =>
      domainList([domain(1, "web", { blocked: false, shutdownReason })])[1].slice(63, 69),
    );
    expect(states).toEqual(["---s--", "---sr-", "---ss-", "---sc-", "---sw-", "---sS-", "---s?-"]);
  });

  it("claims, sharing and vm-list", async () => {
    const [header, first, web] = (await daemon.xl("claims")).stdout.split("\n");
    expect(header).toBe("Name                                        ID   Mem VCPUs\tState\tTime(s)  Claimed");
    expect(first).toMatch(/ 1234\.5 {5}0$/);
    expect(web).toMatch(/^web .* 12\.3 {5}0$/);
    expect((await daemon.xl("sharing")).stdout.split("\n").slice(0, 3)).toEqual([
      "Name                                        ID   Mem Shared",
      "Domain-0                                     0     0      0",
      "web                                          1   256    200",
    ]);
    expect((await daemon.xl("sharing", "fallen")).stdout.split("\n")).toHaveLength(3);
    expect((await daemon.xl("vm-list")).stdout.split("\n").slice(0, 3)).toEqual([
      "UUID                                  ID    name",
      "01234567-89ab-4cde-8f01-23456789abcd  0    Domain-0                      ",
      "01234567-89ab-4cde-8f01-23456789abcd  1    web                           ",
    ]);
  });

  it("info -n: the places of processors and memory, before the version", async () => {
    const plain = (await daemon.xl("info")).stdout.split("\n");
    const versionAt = plain.findIndex((line) => line.startsWith("xen_major"));
    expect((await daemon.xl("info", "-n")).stdout.split("\n")).toEqual([
      ...plain.slice(0, versionAt),
      "cpu_topology           :",
      "cpu:    core    socket     node",
      "  0:       0        0        0",
      "device topology        :",
      "device           node",
      "No device topology data available",
      "numa_info              :",
      "node:    memsize    memfree    distances",
      "   0:      1024        768      10",
      ...plain.slice(versionAt),
    ]);
  });

  it("list -l", async () => {
    const { stdout } = await daemon.xl("list", "-l", "web");
    expect(JSON.parse(stdout)).toEqual([{ domid: 1, config: { c_info: { type: "pv", name: "domain 1" } } }]);
    expect(stdout).toMatch(/^\[\n {4}\{\n {8}"domid": 1,\n/);
  });

  it("vcpu-list", async () => {
    expect((await daemon.xl("vcpu-list", "0", "web")).stdout).toBe(
      [
        "Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)",
        "Domain-0                             0     0     0   r--    1234.5  all / all",
        "web                                  1     0     0   -b-      12.3  all / all",
        "web                                  1     1     -   --p       0.0  all / all",
        "",
      ].join("\n"),
    );
  });

  it("info", async () => {
    expect((await daemon.xl("info")).stdout).toBe(
      [
        "host                   : xenhost",
        "release                : 6.1.0",
        "version                : #1 SMP",
        "machine                : x86_64",
        "nr_cpus                : 1",
        "max_cpu_id             : 0",
        "nr_nodes               : 1",
        "cores_per_socket       : 1",
        "threads_per_core       : 1",
        "cpu_mhz                : 1000.000",
        "hw_caps                : 178bfbff:80802221:00000000:00000001:00000000:00000000:00000000:00000100",
        "virt_caps              : pv",
        "total_memory           : 1024",
        "free_memory            : 768",
        "sharing_freed_memory   : 30",
        "sharing_used_memory    : 12",
        "outstanding_claims     : 0",
        "free_cpus              : 0",
        "xen_major              : 4",
        "xen_minor              : 17",
        "xen_extra              : .0-node",
        "xen_version            : 4.17.0-node",
        "xen_caps               : xen-3.0-x86_64 ",
        "xen_scheduler          : credit2",
        "xen_pagesize           : 4096",
        "platform_params        : virt_start=0xffff800000000000",
        "xen_changeset          : xen-node",
        "xen_commandline        : ",
        "cc_compiler            : TypeScript",
        "xend_config_format     : 4",
        "",
      ].join("\n"),
    );
  });

  it("uptime, in full and short", async () => {
    expect((await daemon.xl("uptime", "0", "web")).stdout).toBe(
      [
        "Name                                ID Uptime",
        "Domain-0                             0 2 days,  0:00:07",
        "web                                  1  1:01:01",
        "",
      ].join("\n"),
    );
    expect((await daemon.xl("uptime", "-s", "web")).stdout).toBe(" 12:34:56 up  1:01, web (1)\n");
  });

  it("block-list and network-list", async () => {
    expect((await daemon.xl("block-list", "web")).stdout).toBe(
      [
        "Vdev  BE  handle state evt-ch ring-ref BE-path                       ",
        "51712 0   51712  4     9      8        /local/domain/0/backend/vbd/1/51712",
        "51728 0   51728  2     -1     -1       /local/domain/0/backend/vbd/1/51728",
        "",
      ].join("\n"),
    );
    expect((await daemon.xl("network-list", "web")).stdout).toBe(
      [
        "Idx BE Mac Addr.         handle state evt-ch   tx-/rx-ring-ref BE-path                       ",
        "0   0  00:16:3e:01:02:03      0     4     10   768/769         /local/domain/0/backend/vif/1/0",
        "",
      ].join("\n"),
    );
  });

  it("domid, domname and dmesg", async () => {
    expect((await daemon.xl("domid", "web")).stdout).toBe("1\n");
    expect((await daemon.xl("domname", "1")).stdout).toBe("web\n");
    expect((await daemon.xl("dmesg", "-c")).stdout).toBe("(XEN) one\n(XEN) clear true\n");
  });
});

describe("what xl says when something is wrong", () => {
  it.each([
    [["list", "nobody"], 1, "nobody is an invalid domain identifier (rc=-6)\n"],
    [["pause", "77"], 0, ""],
    [["list", "77"], 1, "Error: Domain '77' does not exist.\n"],
    [["domid", "nobody"], 1, "Can't get domid of domain name 'nobody', maybe this domain does not exist.\n"],
    [["domname", "77"], 1, "Can't get domain name of domain id '77', maybe this domain does not exist.\n"],
    [["mem-set", "web", "lots"], 1, "invalid memory size: lots\n"],
    [["sysrq", "web", "sh"], 1, /^Invalid sysrq/],
    [["trigger", "web", "kick"], 1, 'Invalid trigger "kick"\n'],
    [["shutdown"], 1, "You must specify -a or a domain id.\n"],
    [["destroy"], 2, /^'xl destroy' requires at least 1 argument\.\n\nUsage: xl \[-vftTN\] destroy <Domain>\n/],
    [["list", "--nonsense"], 2, /^xl list: Unknown option '--nonsense'\./],
    [["list", "a", "b"], 2, /takes no argument "b"/],
    [["frobnicate"], 1, /^command "frobnicate" not implemented/],
    [["-N", "list"], 1, "command does not implement -N (dryrun) option\n"],
    [["remus", "web", "host"], 1, "xl remus is not there: it is not implemented yet.\n"],
    [["remus", "-s", "x", "web", "host"], 1, /^xl remus is not there/],
    [["migrate", "-D", "web", "host"], 1, /^xl migrate -D is not there/],
    [["migrate", "-e", "web", "host"], 1, /^xl migrate -e is not there: the daemon that receives .* always waits/],
    [["migrate-receive", "-e"], 1, /^xl migrate-receive -e is not there/],
    [["create", "/nonexistent.cfg"], 3, /Failed to read config file: \/nonexistent\.cfg: No such file or directory\n$/],
    [["create", "/a.cfg", "word"], 2, /^unrecognized argument `word'/],
    [["console", "web"], 1, /^xl: this process has no console/],
    [
      ["vcpu-set", "web", "2"],
      1,
      "You are overcommmitting! You have 1 physical CPUs and want 2 vCPUs! Aborting, use --ignore-host to continue\n",
    ],
  ])("%j: status %d", async (args, status, message) => {
    const outcome = await daemon.xl(...args);
    expect(outcome.status).toBe(status);
    if (typeof message === "string") expect(outcome.stderr).toBe(message);
    else expect(outcome.stderr).toMatch(message);
    expect(outcome.stdout).toBe("");
  });

  it("names the daemon that is missing", async () => {
    const gone = await fakeDaemon({});
    await gone.close();
    expect(await gone.xl("list")).toEqual({ status: 1, stdout: "", stderr: "xl: nobody there.\n" });
    expect(await gone.xenstore("read", "/a")).toEqual({
      status: 1,
      stdout: "",
      stderr: "xenstore-read: nobody there.\n",
    });
  });

  it("shows help, and knows subcommands by their clear beginnings", async () => {
    expect(await daemon.xl("help")).toMatchObject({ status: 0 });
    expect((await daemon.xl()).status).toBe(1);
    expect((await daemon.xl("help", "list")).stdout).toMatch(/^Usage: xl \[-vftTN\] list \[options\] \[Domain\]\n/);
    expect((await daemon.xl("inf")).stdout).toMatch(/^host /);
    expect((await daemon.xl("block", "web")).status).toBe(1);
  });
});

describe("what xl asks for", () => {
  const ask = async (...args: string[]) => {
    asked.length = 0;
    const { status, stderr } = await daemon.xl(...args);
    return { status, stderr, asked: [...asked] };
  };

  it.each([
    [
      ["mem-set", "web", "64"],
      ["mem-set", { domain: "1", kib: 65536 }],
    ],
    [
      ["mem-set", "web", "65536k"],
      ["mem-set", { domain: "1", kib: 65536 }],
    ],
    [
      ["mem-set", "1", "1g"],
      ["mem-set", { domain: "1", kib: 1048576 }],
    ],
    [
      ["vcpu-set", "-i", "web", "2"],
      ["vcpu-set", { domain: "1", vcpus: 2 }],
    ],
    [
      ["sysrq", "web", "s"],
      ["sysrq", { domain: "web", key: "s" }],
    ],
    [
      ["trigger", "web", "nmi", "1"],
      ["nmi", { domain: "web", vcpu: 1 }],
    ],
    [
      ["rename", "web", "net"],
      ["rename", { domain: "web", name: "net" }],
    ],
    [
      ["dump-core", "web", "web.core"],
      ["dump-core", { domain: "web", file: "web.core", folder: "/here" }],
    ],
    [
      ["block-attach", "web", "a.img", "raw,xvdb,w"],
      ["block-attach", { domain: "web", disk: "a.img,raw,xvdb,w", folder: "/here" }],
    ],
    [
      ["cd-insert", "web", "hdc", "b.iso"],
      ["cd-insert", { domain: "web", vdev: "hdc", file: "b.iso", folder: "/here" }],
    ],
    [
      ["cd-eject", "web", "hdc"],
      ["cd-insert", { domain: "web", vdev: "hdc", file: "", folder: "/here" }],
    ],
    [
      ["block-detach", "-f", "web", "xvdb"],
      ["block-detach", { domain: "web", vdev: "xvdb", force: true }],
    ],
  ])("%j", async (args, request) => {
    expect(await ask(...args)).toEqual({ status: 0, stderr: "", asked: [request] });
  });

  it.each([
    [[], "end"],
    [["-c"], "continue"],
    [["-p"], "pause"],
  ])("save %j", async (options, after) => {
    expect(await ask("save", ...options, "web", "web.save")).toEqual({
      status: 0,
      stderr: "Saving to web.save new xl format (info 0x3/0x0/1319)\n",
      asked: [["save", { domain: "1", file: "web.save", folder: "/here", after }]],
    });
  });

  it.each([
    [[], 1, false, {}],
    [["-n", "3"], 3, false, {}],
    [["-p", "-n", "2"], 2, true, {}],
    [["-d", "kept", "-l", "64"], 1, false, { disks: "kept", diskLimitMib: 64 }],
  ])("fork %j", async (options, count, paused, kept) => {
    expect(await ask("fork", ...options, "web")).toEqual({
      status: 0,
      stderr: "",
      asked: [["fork", { domain: "1", count, paused, folder: "/here", ...kept }]],
    });
  });

  it("fork refuses a number of forks, and of MiB, that is none", async () => {
    for (const number of ["0", "-1", "x", "1001"])
      expect((await ask("fork", "-n", number, "web")).asked, number).toEqual([]);
    for (const limit of ["0", "-1", "x"]) expect((await ask("fork", "-l", limit, "web")).asked, limit).toEqual([]);
  });

  it("restore -p", async () => {
    expect(await ask("restore", "-p", "web.save")).toEqual({
      status: 0,
      stderr:
        "Loading new save file web.save (new xl fmt info 0x3/0x0/1319)\n Savefile contains xl domain config in JSON format\n",
      asked: [["restore", { file: "web.save", folder: "/here", paused: true }]],
    });
  });

  it("shutdown -a -w: every guest that has not shut down, and waits", async () => {
    const { stderr, asked: requests } = await ask("shutdown", "-a", "-w");
    expect(requests).toEqual(["1", "12"].map((id) => ["shutdown", { domain: id, request: "poweroff" }]));
    expect(stderr.split("\n").slice(0, 3)).toEqual([
      "Shutting down domain 1",
      "Shutting down domain 12",
      "Waiting for 2 domains",
    ]);
    expect(stderr).toContain("Domain 1 has been shut down, reason code 0\n");
    expect(stderr).toContain("Domain 12 has been destroyed\n");
  });
});
