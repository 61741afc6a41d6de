import { afterEach, describe, expect, it } from "vitest";
import { encodePacket, PacketDecoder } from "../../src/gdb/packet.ts";
import { REGISTER_FILE_BYTES, RegisterFile, registerNamed } from "../../src/gdb/register-file.ts";
import { RemoteSession } from "../../src/gdb/remote-session.ts";
import { FAKE_BASE, FakeTarget } from "./fake-target.ts";

const BASE = "ffffffff81000000";

/** The debugger's end of a session. */
class Conversation {
  readonly target = new FakeTarget();
  readonly raw: string[] = [];
  ended = false;
  private readonly decoder = new PacketDecoder(100_000);
  private readonly replies: string[] = [];
  private waiting: ((reply: string) => void) | undefined;
  readonly session = new RemoteSession(
    this.target,
    (bytes) => {
      this.raw.push(Buffer.from(bytes).toString("latin1"));
      for (const item of this.decoder.push(bytes)) if (item.kind === "packet") this.replies.push(item.payload);
      if (this.waiting !== undefined && this.replies.length > 0) {
        this.waiting(this.replies.shift() ?? "");
        this.waiting = undefined;
      }
    },
    () => {
      this.ended = true;
    },
  );

  /** Sends a packet; the reply, if it came at once. */
  ask(payload: string): string | undefined {
    this.session.receive(encodePacket(payload));
    return this.replies.shift();
  }
  next(): Promise<string> {
    const reply = this.replies.shift();
    if (reply !== undefined) return Promise.resolve(reply);
    return new Promise((resolve) => {
      this.waiting = resolve;
    });
  }
}

let open: Conversation[] = [];
const connect = (): Conversation => {
  const conversation = new Conversation();
  open.push(conversation);
  return conversation;
};
afterEach(() => {
  for (const { session } of open) session.close();
  open = [];
});

const hex = (reply: string | undefined): Buffer => Buffer.from(reply ?? "", "hex");
const rip = (conversation: Conversation, thread: number): number =>
  Number(BigInt.asIntN(64, conversation.target.files[thread - 1].get64("rip"))) - FAKE_BASE;

describe("a remote session", () => {
  it("shakes hands", () => {
    const gdb = connect();
    expect(gdb.ask("qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+")).toMatch(
      /^PacketSize=4000;QStartNoAckMode\+;.*vContSupported\+$/,
    );
    expect(gdb.raw.join("")).toMatch(/^\+\$PacketSize/);
    expect(gdb.ask("QStartNoAckMode")).toBe("OK");
    gdb.raw.length = 0;
    expect(gdb.ask("vMustReplyEmpty")).toBe("");
    expect(gdb.raw).toEqual(["$#00"]);
    expect(gdb.ask("vCont?")).toBe("vCont;c;C;s;S;r");
    expect(gdb.ask("qAttached")).toBe("1");
    expect(gdb.ask("?")).toBe("T0510:00000081ffffffff;7:0000000000000000;6:0000000000000000;thread:1;");
    expect(gdb.ask("!")).toBe("");
    expect(gdb.target.log).toEqual(["attach"]);
  });

  it("asks for a garbled packet again and repeats its own", () => {
    const gdb = connect();
    gdb.session.receive(Buffer.from("$qC#00"));
    expect(gdb.raw).toEqual(["-"]);
    expect(gdb.ask("qC")).toBe("QC1");
    gdb.raw.length = 0;
    gdb.session.receive(Buffer.from("-"));
    expect(gdb.raw).toEqual(["$QC1#c5"]);
  });

  it("lists threads and hands out the target description in windows", () => {
    const gdb = connect();
    expect(gdb.ask("qfThreadInfo")).toBe("m1,2");
    expect(gdb.ask("qsThreadInfo")).toBe("l");
    expect(hex(gdb.ask("qThreadExtraInfo,2")).toString()).toBe("fake vcpu 1 <&>");
    expect(gdb.ask("qThreadExtraInfo,9")).toBe("E01");
    expect(gdb.ask("qXfer:threads:read::0,1000")).toContain(
      '<thread id="2" core="0">fake vcpu 1 &lt;&amp;&gt;</thread>',
    );
    let document = "";
    for (;;) {
      const part = gdb.ask(`qXfer:features:read:target.xml:${document.length.toString(16)},400`) ?? "";
      document += part.slice(1);
      if (part[0] === "l") break;
      expect(part.length).toBe(0x401);
    }
    expect(document).toMatch(/<feature name="org.gnu.gdb.i386.segments">\s*<reg name="fs_base"/);
    expect(gdb.ask("qXfer:features:read:other.xml:0,400")).toBe("E00");
    expect(gdb.ask("qXfer:auxv:read::0,400")).toBe("");
    expect(gdb.ask("T2")).toBe("OK");
    expect(gdb.ask("T3")).toBe("E03");
  });

  it("reads and writes registers of the selected thread", () => {
    const gdb = connect();
    expect(gdb.ask("Hg2")).toBe("OK");
    const file = new RegisterFile(hex(gdb.ask("g")));
    expect(file.bytes.length).toBe(REGISTER_FILE_BYTES);
    expect(file.get64("rip")).toBe(0xffffffff81001000n);
    expect(gdb.ask("p0")).toBe("8877665544332211");
    expect(gdb.ask("P0=0100000000000000")).toBe("OK");
    expect(gdb.target.files[1].get64("rax")).toBe(1n);
    expect(gdb.target.files[0].get64("rax")).toBe(0x1122334455667788n);
    const { number } = registerNamed("xmm15");
    expect(gdb.ask(`P${number.toString(16)}=${"ab".repeat(16)}`)).toBe("OK");
    expect(gdb.ask(`p${number.toString(16)}`)).toBe("ab".repeat(16));
    file.set64("rbx", 77n);
    expect(gdb.ask(`G${Buffer.from(file.bytes).toString("hex")}`)).toBe("OK");
    expect(gdb.target.files[1].get64("rbx")).toBe(77n);
    for (const wrong of ["pfff", "P0=01", "P0", "Gzz", "p", "Hx1", "H"]) expect(gdb.ask(wrong)).toMatch(/^E0/);
  });

  it("reads and writes memory", () => {
    const gdb = connect();
    expect(gdb.ask(`m${BASE},4`)).toBe("90909090");
    expect(gdb.ask(`M${BASE},2:0102`)).toBe("OK");
    expect(gdb.ask(`X${BASE.slice(0, -1)}2,3:#}*`)).toBe("OK");
    expect(gdb.ask(`m${BASE},6`)).toBe("0102237d2a90");
    expect(gdb.ask(`X${BASE},0:`)).toBe("OK");
    expect(gdb.ask("mffffffff81003ffe,10")).toBe("9090");
    for (const unmapped of ["m0,4", "m8000000000000000,4", "M0,1:00", "mffffffff81004000,1"]) {
      expect(gdb.ask(unmapped)).toBe("E0e");
    }
    for (const wrong of ["m", "m0", "mzz,4", `M${BASE},2:01`, `M${BASE}`, "X"]) expect(gdb.ask(wrong)).toMatch(/^E0/);
  });

  it("stops at breakpoints, which nobody sees in memory", async () => {
    const gdb = connect();
    gdb.ask("qSupported:swbreak+;hwbreak+");
    expect(gdb.ask(`Z0,ffffffff81000010,1`)).toBe("OK");
    expect(gdb.ask(`Z1,ffffffff81000020,1`)).toBe("OK");
    expect([...gdb.target.traps]).toEqual([0x10, 0x20]);
    expect(gdb.ask("mffffffff8100000f,3")).toBe("909090");
    expect(gdb.ask("vCont;c:1")).toBeUndefined();
    expect(await gdb.next()).toMatch(/^T05swbreak:;.*thread:1;$/);
    expect(rip(gdb, 1)).toBe(0x10);
    expect(rip(gdb, 2)).toBe(0x1000);
    expect(gdb.ask(`z0,ffffffff81000010,1`)).toBe("OK");
    expect([...gdb.target.traps]).toEqual([0x20]);
    expect(gdb.ask("c")).toBeUndefined();
    expect(await gdb.next()).toMatch(/^T05hwbreak:;/);
    expect(gdb.target.log).toEqual(["attach", "resume 1", "resume 1,2"]);
    expect(gdb.ask("Z0,0,1")).toBe("E0e");
    for (const watchpoint of ["Z2", "Z3", "Z4"]) expect(gdb.ask(`${watchpoint},${BASE},8`)).toBe("");
  });

  it("steps a thread, by instruction and by range", async () => {
    const gdb = connect();
    expect(gdb.ask("vCont;s:2;c")).toMatch(/^T05.*thread:2;$/);
    expect(rip(gdb, 2)).toBe(0x1001);
    expect(rip(gdb, 1)).toBe(0);
    expect(gdb.ask("Hc1")).toBe("OK");
    expect(gdb.ask("s")).toMatch(/thread:1;$/);
    expect(gdb.ask("sffffffff81000100")).toMatch(/thread:1;$/);
    expect(rip(gdb, 1)).toBe(0x101);
    expect(gdb.ask("vCont;rffffffff81000100,ffffffff81000110:1")).toMatch(/thread:1;$/);
    expect(rip(gdb, 1)).toBe(0x110);
    // A long way is gone in parts.
    expect(gdb.ask("vCont;rffffffff81000100,ffffffff81003000:1")).toBeUndefined();
    expect(await gdb.next()).toMatch(/^T05.*thread:1;$/);
    expect(rip(gdb, 1)).toBe(0x3000);
    gdb.ask("vCont;rffffffff80000000,ffffffff82000000:2");
    gdb.session.receive(Buffer.from([3]));
    expect(await gdb.next()).toMatch(/^T02.*thread:2;$/);
    for (const wrong of ["vCont", "vCont;", "vCont;x:1", "vCont;s:zz", "vCont;s:9", "szz"]) {
      expect(gdb.ask(wrong)).toMatch(/^E0/);
    }
  });

  it("is interrupted by Ctrl-C", async () => {
    const gdb = connect();
    gdb.ask("c");
    await new Promise((resolve) => setTimeout(resolve, 10));
    gdb.session.receive(Buffer.from([3]));
    expect(await gdb.next()).toMatch(/^T02.*thread:2;$/);
    expect(gdb.ask("qC")).toBe("QC2");
  });

  it("reports the end of the guest, and has nothing to show after it", async () => {
    const gdb = connect();
    gdb.target.memory[0x30] = 0xf4;
    gdb.ask("c");
    expect(await gdb.next()).toBe("W00");
    expect(gdb.ask("g")).toBe("E03");
    expect(gdb.ask(`m${BASE},4`)).toBe("E03");
    expect(gdb.ask("?")).toBe("W00");
    expect(gdb.ask("c")).toBe("W00");
    gdb.target.onStop?.({ kind: "killed", crashed: true });
    expect(gdb.ask("?")).toBe("X06");
  });

  it("detaches, kills, and lets go when the connection breaks", () => {
    const detached = connect();
    detached.ask(`Z0,${BASE},1`);
    expect(detached.ask("D")).toBe("OK");
    expect(detached.ended).toBe(true);
    expect(detached.target.log).toEqual(["attach", "detach"]);
    expect(detached.target.traps.size).toBe(0);
    detached.session.close();
    expect(detached.target.log).toEqual(["attach", "detach"]);

    const killed = connect();
    killed.ask("k");
    expect(killed.target.log).toEqual(["attach", "detach", "kill"]);
    const byName = connect();
    expect(byName.ask("vKill;1")).toBe("OK");
    expect(byName.target.log).toContain("kill");

    const broken = connect();
    broken.session.close();
    expect(broken.target.log).toEqual(["attach", "detach"]);
  });

  it("answers monitor commands", () => {
    const gdb = connect();
    expect(hex(gdb.ask(`qRcmd,${Buffer.from("info").toString("hex")}`)).toString()).toBe("you said info\n");
  });
});
