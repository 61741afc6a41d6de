import type { DomainInfo, DomainStatistics, MachineInfo } from "@xen-node/control";
import { right, tenths } from "../columns.ts";
import { SHUTDOWN_CRASH } from "../shutdown-reason.ts";
import { NO_STYLE, type TextStyle } from "../text-style.ts";

/** What is known at one time. */
export interface TopSample {
  /** Any clock's, ns. */
  timeNs: number;
  machine: MachineInfo;
  domains: readonly DomainInfo[];
  statistics: readonly DomainStatistics[];
}

/** What is shown, and how; the names of xentop's options. */
export interface TopOptions {
  /** Lines of each vcpu, network interface and disk below their domain's. */
  vcpus: boolean;
  networks: boolean;
  vbds: boolean;
  /** The header above each domain, not only above the first. */
  repeatHeader: boolean;
  /** Names are not cut to their column, which grows. */
  fullName: boolean;
  /** Domain-0 is the first, whatever the order is. */
  dom0First: boolean;
  /** Which column domains are sorted by. */
  sortColumn: number;
}

/** As xentop begins: sorted by name. */
export const TOP_DEFAULTS: TopOptions = {
  vcpus: false,
  networks: false,
  vbds: false,
  repeatHeader: false,
  fullName: false,
  dom0First: false,
  sortColumn: 0,
};

/** A domain with all that its row is made of. */
interface TopRow {
  domain: DomainInfo;
  /** Share of the processor since the sample before, percent. */
  percent: number;
  totalKib: number;
  networks: DomainStatistics["networks"];
  disks: DomainStatistics["disks"];
}

interface Column {
  title: string;
  width: number;
  /** Wider where a number needs it. */
  grows?: boolean;
  cell(row: TopRow): string;
  /** Smaller is further up. */
  compare(a: TopRow, b: TopRow): number;
}

type Amount = (row: TopRow) => number;

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const largestFirst = (amount: Amount) => (a: TopRow, b: TopRow) => amount(b) - amount(a);
const memory: Amount = ({ domain }) => domain.memoryKib;
/** Domain-0 has no limit. */
const maxMemory: Amount = ({ domain }) => (domain.domid === 0 ? Number.POSITIVE_INFINITY : domain.maxMemoryKib);
const shareOf = (kib: number, { totalKib }: TopRow, width: number): string => tenths((kib * 100) / totalKib, width);
const sent: Amount = ({ networks }) => sum(networks.map(({ sentBytes }) => sentBytes));
const received: Amount = ({ networks }) => sum(networks.map(({ receivedBytes }) => receivedBytes));

function amountColumn(title: string, width: number, amount: Amount, shown: Amount = amount, grows = false): Column {
  return { title, width, grows, cell: (row) => String(shown(row)), compare: largestFirst(amount) };
}
const bytesColumn = (title: string, amount: Amount): Column =>
  amountColumn(title, 8, amount, (row) => Math.floor(amount(row) / 1024), true);
const disksColumn = (title: string, width: number, key: Exclude<keyof TopRow["disks"][number], "vdev">): Column =>
  amountColumn(title, width, ({ disks }) => sum(disks.map((disk) => disk[key])), undefined, key !== "waits");

const COLUMNS: readonly Column[] = [
  {
    title: "NAME",
    width: 10,
    cell: ({ domain }) => domain.name,
    compare: (a, b) => compareText(a.domain.name.toLowerCase(), b.domain.name.toLowerCase()),
  },
  { title: "STATE", width: 6, cell: ({ domain }) => topState(domain), compare: compareStates },
  amountColumn(
    "CPU(sec)",
    10,
    ({ domain }) => domain.timeNs,
    ({ domain }) => Math.floor(domain.timeNs / 1e9),
  ),
  {
    title: "CPU(%)",
    width: 6,
    cell: ({ percent }) => tenths(percent, 6),
    compare: largestFirst(({ percent }) => percent),
  },
  amountColumn("MEM(k)", 10, memory),
  { title: "MEM(%)", width: 6, cell: (row) => shareOf(memory(row), row, 6), compare: largestFirst(memory) },
  {
    title: "MAXMEM(k)",
    width: 10,
    cell: (row) => (row.domain.domid === 0 ? "no limit" : String(maxMemory(row))),
    compare: largestFirst(maxMemory),
  },
  {
    title: "MAXMEM(%)",
    width: 9,
    cell: (row) => (row.domain.domid === 0 ? "n/a" : shareOf(maxMemory(row), row, 9)),
    compare: largestFirst(maxMemory),
  },
  // Those that are offline, too, as libxenstat counts them.
  amountColumn("VCPUS", 5, ({ domain }) => domain.vcpus.length),
  amountColumn("NETS", 4, ({ networks }) => networks.length),
  bytesColumn("NETTX(k)", sent),
  bytesColumn("NETRX(k)", received),
  amountColumn("VBDS", 4, ({ disks }) => disks.length),
  disksColumn("VBD_OO", 8, "waits"),
  disksColumn("VBD_RD", 8, "reads"),
  disksColumn("VBD_WR", 8, "writes"),
  disksColumn("VBD_RSECT", 10, "readSectors"),
  disksColumn("VBD_WSECT", 10, "writtenSectors"),
  amountColumn("SSID", 4, () => 0),
];

/** Columns that domains can be sorted by. */
export const TOP_COLUMNS = COLUMNS.length;

/**
 * xentop's table, with the lines that are asked for below each domain.
 *
 * @param before the sample before this one, for the share of the processor since
 * @param from domains that are left out at the top
 */
export function topTable(
  sample: TopSample,
  before: TopSample | undefined,
  options: TopOptions = TOP_DEFAULTS,
  { style = NO_STYLE, from = 0 }: { style?: TextStyle; from?: number } = {},
): string[] {
  const rows = sorted(rowsOf(sample, before), options).slice(Math.max(0, Math.min(from, sample.domains.length - 1)));
  const widths = COLUMNS.map((column, at) => widthOf(column, at, rows, options));
  const line = (cell: (column: Column) => string): string =>
    COLUMNS.map((column, at) => {
      const text = right(cell(column), widths[at]);
      return at === options.sortColumn ? style.bold(text) : text;
    }).join(" ");
  const header = style.reverse(line(({ title }) => title));
  return rows.flatMap((row, index) => [
    ...(index === 0 || options.repeatHeader ? [header] : []),
    line((column) => cut(column.cell(row), column, options)),
    ...(options.vcpus ? vcpuLines(row) : []),
    ...(options.networks ? networkLines(row) : []),
    ...(options.vbds ? diskLines(row) : []),
  ]);
}

const cut = (text: string, column: Column, { fullName }: TopOptions): string =>
  column === COLUMNS[0] && !fullName ? text.slice(0, column.width) : text;

/** xentop widens a column for the number after the one in it, too. */
function widthOf(column: Column, at: number, rows: readonly TopRow[], { fullName }: TopOptions): number {
  if (at === 0) return fullName ? Math.max(column.width, ...rows.map((row) => column.cell(row).length)) : column.width;
  if (column.grows !== true) return column.width;
  return Math.max(column.width, ...rows.map((row) => String(Number(column.cell(row)) + 1).length));
}

function rowsOf(sample: TopSample, before: TopSample | undefined): TopRow[] {
  const passedNs = before === undefined ? 1 : Math.max(1, sample.timeNs - before.timeNs);
  return sample.domains.map((domain) => {
    const earlier = before?.domains.find(({ domid }) => domid === domain.domid);
    const usedNs = earlier === undefined ? 0 : domain.timeNs - earlier.timeNs;
    const { networks = [], disks = [] } = sample.statistics.find(({ domid }) => domid === domain.domid) ?? {};
    const totalKib = sample.machine.totalMemoryMib * 1024;
    return { domain, percent: Math.max(0, (usedNs * 100) / passedNs), totalKib, networks, disks };
  });
}

function sorted(rows: TopRow[], { sortColumn, dom0First }: TopOptions): TopRow[] {
  const { compare } = COLUMNS[sortColumn];
  const isDom0 = ({ domain }: TopRow): number => Number(domain.domid === 0);
  // Infinity less itself is no number, and stands for equal.
  return rows.sort((a, b) => (dom0First ? isDom0(b) - isDom0(a) : 0) || compare(a, b) || 0);
}

const VCPUS_A_LINE = 5;

function vcpuLines({ domain }: TopRow): string[] {
  const online = domain.vcpus.filter((vcpu) => vcpu.online);
  const text = online.map(({ id, timeNs }) => {
    const lineBreak = id !== 0 && id % VCPUS_A_LINE === 0 ? "\n        " : "";
    return `${lineBreak} ${right(id, 2)}: ${right(Math.floor(timeNs / 1e9), 10)}s`;
  });
  return `VCPUs(sec): ${text.join("")}`.split("\n");
}

/** What a packet was lost for is not told apart: all of them are drops. */
function networkLines({ networks }: TopRow): string[] {
  const direction = (bytes: number, packets: number, drops: number): string =>
    `${right(bytes, 8)}bytes ${right(packets, 8)}pkts ${right(0, 8)}err ${right(drops, 8)}drop`;
  return networks.map((network, index) => {
    const { receivedBytes, receivedPackets, receivedDrops, sentBytes, sentPackets, sentDrops } = network;
    const receives = direction(receivedBytes, receivedPackets, receivedDrops);
    return `Net${index} RX: ${receives}  TX: ${direction(sentBytes, sentPackets, sentDrops)}`;
  });
}

function diskLines({ disks }: TopRow): string[] {
  return disks.map(({ vdev, waits, reads, writes, readSectors, writtenSectors }) => {
    const hex = (part: number): string => part.toString(16).padStart(2);
    // As Linux splits device numbers: all above the lower eight bits is the major number.
    const place = `[${hex(vdev >>> 8)}:${hex(vdev & 0xff)}] `;
    return (
      `VBD BlkBack ${right(vdev, 4)} ${place} OO: ${right(waits, 8)}   RD: ${right(reads, 8)}   ` +
      `WR: ${right(writes, 8)}   RSECT: ${right(readSectors, 10)}   WSECT: ${right(writtenSectors, 10)}`
    );
  });
}

const shutDown = ({ shutdownReason }: DomainInfo): boolean => shutdownReason !== null;
const crashed = ({ shutdownReason }: DomainInfo): boolean => shutdownReason === SHUTDOWN_CRASH;

/** xentop's order of letters is another than xl list's. */
const stateFlags = (domain: DomainInfo): boolean[] => [
  domain.dying,
  shutDown(domain),
  domain.blocked,
  crashed(domain),
  domain.paused,
  domain.running,
];

const topState = (domain: DomainInfo): string =>
  stateFlags(domain)
    .map((flag, index) => (flag ? "dsbcpr"[index] : "-"))
    .join("");

/** The first flag that one has and the other has not. */
function compareStates(a: TopRow, b: TopRow): number {
  const flags = stateFlags(b.domain);
  const differs = stateFlags(a.domain).findIndex((flag, index) => flag !== flags[index]);
  return differs < 0 ? 0 : flags[differs] ? 1 : -1;
}

const compareText = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

/** The lines above the table. @param time hh:mm:ss */
export function topSummary({ machine, domains }: TopSample, time: string): string[] {
  const count = (wanted: (domain: DomainInfo) => boolean): number => domains.filter(wanted).length;
  const totalKib = machine.totalMemoryMib * 1024;
  const freeKib = machine.freeMemoryMib * 1024;
  const states =
    `${count(({ running }) => running)} running, ${count(({ blocked }) => blocked)} blocked, ` +
    `${count(({ paused }) => paused)} paused, ${count(crashed)} crashed, ` +
    `${count(({ dying }) => dying)} dying, ${count(shutDown)} shutdown `;
  return [
    `xentop - ${time}   Xen ${machine.xenMajor}.${machine.xenMinor}${machine.xenExtra}`,
    `${domains.length} domains: ${states}`,
    `Mem: ${totalKib}k total, ${totalKib - freeKib}k used, ${freeKib}k free    CPUs: ${machine.processors} @ ${machine.cpuMhz}MHz`,
  ];
}
