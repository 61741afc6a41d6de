import * as abi from "@xen-node/xen-abi";
import { encodeMessage, MessageReader, XenStore } from "../../src/index.ts";
import { fromPayload, toPayload } from "../transcript.ts";

const SECRET = "top-secret-value";
const SECRETS = ["/secret", "/secret/deep", "/local/domain/9/private", "/vm/hidden"];
const GUESTS = [1, 2, 3];
const REQ_PROD = 2052;
const REQ_CONS = 2048;
const RSP_PROD = 2060;
const RSP_CONS = 2056;

/** Requests with how often each is drawn. */
const REQUESTS: readonly (readonly [weight: number, name: string, type: number])[] = [
  [10, "write", abi.XS_WRITE],
  [8, "read", abi.XS_READ],
  [5, "directory", abi.XS_DIRECTORY],
  [2, "directory_part", abi.XS_DIRECTORY_PART],
  [5, "mkdir", abi.XS_MKDIR],
  [4, "rm", abi.XS_RM],
  [4, "get_perms", abi.XS_GET_PERMS],
  [5, "set_perms", abi.XS_SET_PERMS],
  [5, "watch", abi.XS_WATCH],
  [3, "unwatch", abi.XS_UNWATCH],
  [1, "reset_watches", abi.XS_RESET_WATCHES],
  [6, "transaction_start", abi.XS_TRANSACTION_START],
  [5, "transaction_end", abi.XS_TRANSACTION_END],
  [1, "introduce", abi.XS_INTRODUCE],
  [1, "release", abi.XS_RELEASE],
  [1, "get_domain_path", abi.XS_GET_DOMAIN_PATH],
  [1, "is_introduced", abi.XS_IS_DOMAIN_INTRODUCED],
  [1, "set_target", abi.XS_SET_TARGET],
  [1, "resume", abi.XS_RESUME],
  [1, "control", abi.XS_CONTROL],
];

/** A domain's side of its ring. */
interface StoreGuest {
  readonly domid: number;
  readonly page: Uint8Array;
  readonly view: DataView;
  reader: MessageReader;
  readonly sent: Map<number, string>;
  readonly transactions: number[];
  nextRequest: number;
}

/** xenstored with three domains that send it everything, and nodes that none of them may see. */
export class StoreWorld {
  readonly outcomes = new Map<string, Map<string, number>>();
  last = "";
  private readonly deferred: (() => void)[] = [];
  private readonly store = new XenStore({ defer: (work) => void this.deferred.push(work) });
  private readonly client = this.store.client();
  private readonly guests: StoreGuest[];
  private state: number;
  private readonly problems: string[] = [];

  constructor(seed: number) {
    this.state = seed >>> 0;
    for (const path of SECRETS) {
      this.client.write(path, SECRET);
      this.client.setPermissions(path, [path.includes("/9/") ? "n9" : "n0"]);
    }
    this.guests = GUESTS.map((domid) => {
      const page = new Uint8Array(4096);
      const guest: StoreGuest = {
        domid,
        page,
        view: new DataView(page.buffer),
        reader: new MessageReader(),
        sent: new Map(),
        transactions: [],
        nextRequest: 1,
      };
      this.introduce(guest);
      return guest;
    });
  }

  private introduce(guest: StoreGuest): void {
    const home = `/local/domain/${guest.domid}`;
    guest.page.fill(0);
    guest.reader = new MessageReader();
    guest.sent.clear();
    guest.transactions.length = 0;
    this.store.introduceDomain(guest.domid, { bytes: guest.page, notify: () => {} });
    this.client.write(home, "");
    this.client.setPermissions(home, ["n0", `r${guest.domid}`]);
    this.client.write(`${home}/data`, "");
    this.client.setPermissions(`${home}/data`, [`n${guest.domid}`, `r${1 + (guest.domid % 3)}`]);
  }

  private below(n: number): number {
    this.state = (this.state + 0x9e3779b9) >>> 0;
    let z = this.state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) % n;
  }

  private pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)];
  }

  private path(guest: StoreGuest): string {
    const kind = this.below(20);
    if (kind === 0) return this.pick(SECRETS);
    if (kind === 1)
      return this.pick(["", "/", "//", "/a//b", "/a/", "x/../y", "/local", "@introduceDomain", "@releaseDomain", "@x"]);
    if (kind === 2) return `/${"x".repeat(this.pick([100, 2047, 2048, 3071, 3072, 3500]))}`;
    if (kind === 3) return this.pick(["é", "a b", "a\tb", "/a\u0001b", "*"]);
    const owner = this.below(6) === 0 ? this.pick([0, 1, 2, 3, 9, 40000]) : guest.domid;
    const depth = this.below(4);
    const rest = Array.from({ length: depth }, () => `/${this.pick(["a", "b", "c", "n"])}${this.below(3)}`).join("");
    return this.below(4) === 0 ? `data${rest}` : `/local/domain/${owner}/data${rest}`;
  }

  private permissions(guest: StoreGuest): string {
    if (this.below(12) === 0) return this.pick(["", "n", "x1", "n70000", "n-1", "b1"]);
    const count = 1 + this.below(this.below(10) === 0 ? 10 : 3);
    const list = Array.from({ length: count }, () => `${this.pick(["n", "r", "w", "b"])}${this.pick([0, 1, 2, 3, 9])}`);
    if (this.below(3) > 0) list[0] = `n${guest.domid}`;
    return `${list.join("|")}|`;
  }

  private payload(guest: StoreGuest, name: string): string {
    if (this.below(40) === 0) return this.pick(["", "|", "|||", "x".repeat(4096), `${"a|".repeat(50)}`]);
    switch (name) {
      case "write":
        return `${this.path(guest)}|${"v".repeat(this.pick([0, 1, 10, 2048, 2049, 3900]))}`.slice(0, 4096);
      case "set_perms":
        return `${this.path(guest)}|${this.permissions(guest)}`;
      case "watch":
      case "unwatch":
        return `${this.path(guest)}|${this.pick(["t", "u", "token", ""])}|${this.below(8) === 0 ? "2|" : ""}`;
      case "transaction_end":
        return this.pick(["T|", "T|", "F|", "X|"]);
      case "transaction_start":
      case "reset_watches":
        return "|";
      case "directory_part":
        return `${this.path(guest)}|${this.pick(["0", "10", "-1", "99999", "x"])}|`;
      case "introduce":
      case "release":
      case "get_domain_path":
      case "is_introduced":
      case "set_target":
      case "resume":
        return `${this.pick([0, 1, 2, 3, 9, 70000])}|${this.pick(["", "2|", "5|7|"])}`;
      case "control":
        return this.pick(["help|", "check|", "quota|max|"]);
      default:
        return `${this.path(guest)}|`;
    }
  }

  private drawRequest(): readonly [name: string, type: number] {
    let left = this.below(REQUESTS.reduce((sum, [weight]) => sum + weight, 0) + 2);
    for (const [weight, name, type] of REQUESTS) {
      left -= weight;
      if (left < 0) return [name, type];
    }
    return ["unknown", this.pick([15, 16, 20, 23, 24, 25, 26, 27, 1000, 0xffffffff])];
  }

  /** One step of somebody. */
  step(): void {
    const guest = this.pick(this.guests);
    const kind = this.below(60);
    if (kind === 0) this.disturb(guest);
    else if (kind === 1) this.begin(guest);
    else if (kind < 20) this.collect(guest);
    else this.send(guest);
    for (let turns = 0; this.deferred.length > 0 && turns < 1000; turns++) this.deferred.shift()?.();
  }

  private begin(guest: StoreGuest): void {
    this.last = `domain ${guest.domid} begins anew`;
    if (this.below(2) === 0) this.store.releaseDomain(guest.domid, { purge: true });
    else this.store.domainShutDown(guest.domid);
    this.introduce(guest);
  }

  /** Writes what it likes to the ring's words and bytes. */
  private disturb(guest: StoreGuest): void {
    this.last = `domain ${guest.domid} disturbs its ring`;
    const at = this.pick([REQ_PROD, REQ_CONS, RSP_PROD, RSP_CONS, 2064, 2068, 2072, this.below(1020)]);
    guest.view.setUint32(at, this.pick([0, 1, 1024, 1025, 0xffffffff, 0x80000000, this.below(2 ** 31)]), true);
    this.store.connection(guest.domid)?.onEvent();
  }

  private send(guest: StoreGuest): void {
    const [name, type] = this.drawRequest();
    const reqId = guest.nextRequest++;
    const known = guest.transactions.length > 0 && this.below(3) === 0;
    const txId = known ? this.pick(guest.transactions) : this.below(30) === 0 ? this.pick([1, 7, 0xffffffff]) : 0;
    if (type === abi.XS_TRANSACTION_END && known) guest.transactions.splice(guest.transactions.indexOf(txId), 1);
    this.last = `domain ${guest.domid} sends ${name}`;
    const message = encodeMessage({ type, reqId, txId, payload: toPayload(this.payload(guest, name)).slice(0, 4096) });
    if (this.below(200) === 0) new DataView(message.buffer).setUint32(12, this.pick([4097, 0xffffffff]), true);
    guest.sent.set(reqId, name);
    if (guest.sent.size > 64) guest.sent.delete(guest.sent.keys().next().value as number);
    this.push(guest, message);
  }

  /** Puts bytes into the request ring, in as many pieces as it takes; gives up when nobody takes any. */
  private push(guest: StoreGuest, bytes: Uint8Array): void {
    for (let at = 0, idle = 0; at < bytes.length && idle < 3; ) {
      const producer = guest.view.getUint32(REQ_PROD, true);
      const used = (producer - guest.view.getUint32(REQ_CONS, true)) >>> 0;
      const room = used > 1024 ? 0 : 1024 - used;
      const count = Math.min(room, bytes.length - at, this.below(4) === 0 ? 1 + this.below(40) : 1024);
      for (let i = 0; i < count; i++) guest.page[(producer + i) & 1023] = bytes[at + i];
      guest.view.setUint32(REQ_PROD, (producer + count) >>> 0, true);
      at += count;
      idle = count === 0 ? idle + 1 : 0;
      this.store.connection(guest.domid)?.onEvent();
      for (let turns = 0; this.deferred.length > 0 && turns < 1000; turns++) this.deferred.shift()?.();
      if (count === 0) this.collect(guest);
    }
  }

  /** Takes replies and events. */
  private collect(guest: StoreGuest): void {
    for (let turns = 0; turns < 64; turns++) {
      const consumer = guest.view.getUint32(RSP_CONS, true);
      const ready = (guest.view.getUint32(RSP_PROD, true) - consumer) >>> 0;
      if (ready === 0 || ready > 1024) return;
      const count = Math.min(ready, guest.reader.wanted);
      const bytes = Uint8Array.from({ length: count }, (_, i) => guest.page[1024 + ((consumer + i) & 1023)]);
      guest.view.setUint32(RSP_CONS, (consumer + count) >>> 0, true);
      const message = guest.reader.push(bytes);
      if (message === "tooLong") {
        // The guest has moved its own indices into the middle of a message.
        guest.reader = new MessageReader();
        return;
      }
      if (message !== undefined) this.look(guest, message.type, message.reqId, fromPayload(message.payload));
      this.store.connection(guest.domid)?.onEvent();
    }
  }

  private look(guest: StoreGuest, type: number, reqId: number, text: string): void {
    if (text.includes(SECRET)) this.problems.push(`domain ${guest.domid} was told a secret`);
    if (type === abi.XS_WATCH_EVENT) return;
    const name = guest.sent.get(reqId) ?? "forgotten";
    this.count(name, type === abi.XS_ERROR ? text.replace("|", "") : "ok");
    if (name === "transaction_start" && type !== abi.XS_ERROR) {
      guest.transactions.push(Number.parseInt(text, 10) >>> 0);
      if (guest.transactions.length > 12) guest.transactions.shift();
    }
  }

  private count(name: string, outcome: string): void {
    const counts = this.outcomes.get(name) ?? new Map<string, number>();
    this.outcomes.set(name, counts.set(outcome, (counts.get(outcome) ?? 0) + 1));
  }

  /** Sentences about what must not be. */
  violations(): string[] {
    const changed = SECRETS.filter((path) => this.client.read(path) !== SECRET).map((path) => `${path} has changed`);
    return [...this.problems, ...changed, ...this.store.audit()];
  }

  /** The nodes below a guest's home, at most what its quota and the toolstack's nodes are. */
  countNodes(path = "/"): number {
    const names = this.client.ls(path) ?? [];
    const below = (name: string): number => this.countNodes(path === "/" ? `/${name}` : `${path}/${name}`);
    return names.reduce((sum, name) => sum + 1 + below(name), 0);
  }
}
