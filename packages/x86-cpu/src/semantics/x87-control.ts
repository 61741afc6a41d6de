import { I32, I64 } from "@xen-node/wasm-emit";
import type { CalledHandler } from "../interpreter/context.ts";
import type { Code, Expression, Local } from "../softfloat/expression.ts";
import { FCS, FCW, FDP, FDS, FIP, FOP, FSW, FTW, RAX, X87 } from "../state.ts";
import { handler } from "./x87-arithmetic.ts";
import { type Machine, Status, TAG_EMPTY, type X87Code } from "./x87-machine.ts";

const INITIAL_CONTROL = 0x37f;
/** Control word bits that can be written: 6 is always 1, 7 and 13-15 are 0. */
const CONTROL_BITS = 0x1f3f;
const CONTROL_ONE = 0x40;
const REGISTER_BYTES = 10;

const field = (c: Code, address: number): Expression => c.load("i32_load16_u", 0, address);
const setField = (c: Code, address: number, value: Expression | number): void =>
  c.store("i32_store16", 0, value, address);

/** ES and B follow from the flags and the masks. */
function refreshError(c: X87Code): void {
  const pending = field(c, FSW).and(field(c, FCW).xor(-1)).and(0x3f);
  const error = pending.ne(0).mul(Status.ERROR_SUMMARY | Status.BUSY);
  c.setStatus(
    field(c, FSW)
      .and(~(Status.ERROR_SUMMARY | Status.BUSY))
      .or(error),
  );
}

function setControl(c: X87Code, value: Expression): void {
  setField(c, FCW, value.and(CONTROL_BITS).or(CONTROL_ONE));
  refreshError(c);
}

/** Recomputes the tags of registers that are not empty from what is in them. */
function retag(c: X87Code): void {
  const tags = c.let(c.i32(0));
  const physical = c.let(c.i32(8));
  c.while(physical, () => {
    c.set(physical, physical.sub(1));
    const tag = c.let(field(c, FTW).shrU(physical.shl(1)).and(3));
    const at = physical.shl(4);
    c.if(tag.ne(TAG_EMPTY), () => {
      const high = c.load("i32_load16_u", at, X87(0) + 8);
      c.set(tag, c.value(c.machine.tagOf, high, c.load("i64_load", at, X87(0))));
    });
    c.set(tags, tags.shl(2).or(tag));
  });
  setField(c, FTW, tags);
}

function initialize(c: X87Code): void {
  setField(c, FCW, INITIAL_CONTROL);
  for (const address of [FSW, FOP, FCS, FDS]) setField(c, address, 0);
  setField(c, FTW, 0xffff);
  for (const address of [FIP, FDP]) c.store("i64_store", 0, 0, address);
}

/** A memory image of several fields, each translated by itself; all faults come before the first change. */
class Image {
  private readonly ea: Local;

  constructor(
    private readonly c: X87Code,
    bytes: number,
    width: Width,
    private readonly access: "read" | "write",
  ) {
    this.ea = c.local(I64);
    c.context.effectiveAddress();
    c.f.set(this.ea.index);
    // The first field as a whole: it may reach beyond 4 GiB.
    this.host(0, width);
    this.host(bytes - 1, 1);
  }

  private host(offset: number | Expression, size: number): Local {
    const { c } = this;
    this.ea.add(typeof offset === "number" ? offset : offset.extendU()).push(c.f);
    if (this.access === "read") c.context.translateRead(size);
    else c.context.translateWrite(size);
    const host = c.local(I32);
    c.f.set(host.index);
    return host;
  }

  put(offset: number, size: 2 | 4, value: Expression): void {
    const host = this.host(offset, size);
    this.c.store(size === 2 ? "i32_store16" : "i32_store", host, value);
    this.c.commit(host);
  }

  get(offset: number, size: 2 | 4): Local {
    const host = this.host(offset, size);
    return this.c.let(this.c.load(size === 2 ? "i32_load16_u" : "i32_load", host));
  }

  /** All registers from the top of the stack on. */
  registers(offset: number): void {
    const { c } = this;
    const index = c.let(c.i32(0));
    c.while(index.ltU(8), () => {
      const host = this.host(index.mul(REGISTER_BYTES).add(offset), REGISTER_BYTES);
      const at = c.value(c.machine.address, index);
      const [from, to] = this.access === "read" ? [host, at] : [at, host];
      c.store("i64_store", to, c.load("i64_load", from));
      c.store("i32_store16", to, c.load("i32_load16_u", from, 8), 8);
      if (this.access === "write") c.commit(host);
      c.set(index, index.add(1));
    });
  }
}

/** Environment formats of protected mode: fields of 4 bytes, or of 2 with an operand-size prefix. */
type Width = 2 | 4;
const environmentBytes = (width: Width): number => 7 * width;

function storeEnvironment(c: X87Code, image: Image, width: Width): void {
  retag(c);
  const fill = width === 4 ? 0xffff0000 | 0 : 0;
  [FCW, FSW, FTW].forEach((address, i) => {
    image.put(i * width, width, field(c, address).or(fill));
  });
  const opcode = width === 4 ? field(c, FOP).and(0x7ff).shl(16) : c.i32(0);
  image.put(3 * width, width, c.state(FIP));
  image.put(4 * width, width, field(c, FCS).or(opcode));
  image.put(5 * width, width, c.state(FDP));
  image.put(6 * width, width, field(c, FDS).or(fill));
}

function loadEnvironment(c: X87Code, image: Image, width: Width): void {
  const fields = Array.from({ length: 7 }, (_, i) => image.get(i * width, width));
  const [control, status, tags, ip, selector, dp, dataSelector] = fields;
  setField(c, FSW, status);
  setField(c, FTW, tags);
  setControl(c, control);
  c.store("i64_store", 0, ip.extendU(), FIP);
  c.store("i64_store", 0, dp.extendU(), FDP);
  setField(c, FCS, selector);
  setField(c, FDS, dataSelector);
  if (width === 4) setField(c, FOP, selector.shrU(16).and(0x7ff));
}

function imageHandlers(machine: Machine, width: Width): CalledHandler[] {
  const suffix = width === 2 ? ".16" : ".32";
  const environment = environmentBytes(width);
  const whole = environment + 8 * REGISTER_BYTES;
  return [
    handler(machine, `fnstenv${suffix}`, (c) => {
      storeEnvironment(c, new Image(c, environment, width, "write"), width);
      setField(c, FCW, field(c, FCW).or(0x3f));
      refreshError(c);
    }),
    handler(machine, `fldenv${suffix}`, (c) => {
      c.begin();
      loadEnvironment(c, new Image(c, environment, width, "read"), width);
      retag(c);
    }),
    handler(machine, `fnsave${suffix}`, (c) => {
      const image = new Image(c, whole, width, "write");
      storeEnvironment(c, image, width);
      image.registers(environment);
      initialize(c);
    }),
    handler(machine, `frstor${suffix}`, (c) => {
      c.begin();
      const image = new Image(c, whole, width, "read");
      loadEnvironment(c, image, width);
      image.registers(environment);
      retag(c);
    }),
  ];
}

export function controlHandlers(machine: Machine): CalledHandler[] {
  const clearC1 = (c: X87Code) => c.setStatus(c.status().and(~Status.C1));
  const rotate = (name: string, by: number) =>
    handler(machine, name, (c) => {
      c.begin();
      c.note();
      clearC1(c);
      c.setStatus(
        c
          .status()
          .and(~Status.TOP)
          .or(
            c
              .status()
              .add(by << 11)
              .and(Status.TOP),
          ),
      );
    });
  const storeWord = (name: string, address: number) =>
    handler(
      machine,
      name,
      (c) => {
        const host = c.memory(2, "write");
        c.store("i32_store16", host, field(c, address));
        c.commit(host);
      },
      (c) => c.store("i32_store16", c.memory(2, "write"), field(c, address)),
    );
  return [
    ...imageHandlers(machine, 2),
    ...imageHandlers(machine, 4),
    handler(
      machine,
      "fldcw",
      (c) => {
        c.begin();
        const host = c.memory(2, "read");
        setControl(c, c.load("i32_load16_u", host));
      },
      (c) => {
        c.check();
        const value = c.let(c.load("i32_load16_u", c.memory(2, "read")));
        // Unless it unmasks something, the status word stays as it is.
        c.leaveIf(c.status.and(value.xor(-1)).and(0x3f));
        setField(c, FCW, value.and(CONTROL_BITS).or(CONTROL_ONE));
      },
    ),
    storeWord("fnstcw", FCW),
    storeWord("fnstsw.m16", FSW),
    handler(machine, "fnstsw.ax", (c) => setField(c, RAX, field(c, FSW))),
    handler(machine, "fnclex", (c) => c.setStatus(c.status().and(0x7f00))),
    handler(machine, "fninit", initialize),
    handler(machine, "fwait", (c) => c.begin()),
    handler(machine, "fnop", (c) => {
      c.begin();
      c.note();
    }),
    // FNENI, FNDISI and FNSETPM do nothing since the 80387.
    handler(machine, "ignored", () => {}),
    handler(machine, "ffree", (c) => {
      c.begin();
      c.note();
      clearC1(c);
      c.call(machine.setTag, c.operandRegister(), TAG_EMPTY);
    }),
    handler(machine, "ffreep", (c) => {
      c.begin();
      c.note();
      clearC1(c);
      c.call(machine.setTag, c.operandRegister(), TAG_EMPTY);
      c.pop();
    }),
    rotate("fdecstp", 7),
    rotate("fincstp", 1),
    handler(machine, "emms", (c) => {
      c.begin();
      setField(c, FTW, 0xffff);
      c.setStatus(c.status().and(~Status.TOP));
    }),
  ];
}
