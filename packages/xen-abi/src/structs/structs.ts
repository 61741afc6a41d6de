import type { Layouts } from "../layout/layout.ts";
import { layOut } from "../layout/layout.ts";
import * as archX86 from "./arch-x86.ts";
import * as callback from "./callback.ts";
import * as eventChannel from "./event-channel.ts";
import * as grantTable from "./grant-table.ts";
import * as hvmStartInfo from "./hvm-start-info.ts";
import * as io from "./io.ts";
import * as ioRing from "./io-ring.ts";
import * as memory from "./memory.ts";
import * as physdev from "./physdev.ts";
import * as sched from "./sched.ts";
import * as vcpu from "./vcpu.ts";
import * as version from "./version.ts";
import * as xen from "./xen.ts";

/** Named, so that declaration files refer to it instead of repeating all structures. */
export type Specs = typeof archX86 &
  typeof callback &
  typeof eventChannel &
  typeof grantTable &
  typeof hvmStartInfo &
  typeof io &
  typeof ioRing &
  typeof memory &
  typeof physdev &
  typeof sched &
  typeof vcpu &
  typeof version &
  typeof xen;

/** Every structure of the public interface that this package knows, by its tag in the headers, without offsets. */
export const specs: Specs = {
  ...archX86,
  ...callback,
  ...eventChannel,
  ...grantTable,
  ...hvmStartInfo,
  ...io,
  ...ioRing,
  ...memory,
  ...physdev,
  ...sched,
  ...vcpu,
  ...version,
  ...xen,
};

/** Layouts for 64-bit guests. `structs.vcpu_info.offsets.evtchn_upcall_mask` and `.size` are plain numbers. */
export const structs: Layouts<Specs, "x86_64"> = layOut(specs, "x86_64");

/** Layouts for 32-bit guests, as they pass them to a 64-bit Xen. */
export const structs32: Layouts<Specs, "x86_32"> = layOut(specs, "x86_32");

/** Structures of the other ABI have another type; this is for code that serves both and picks once per domain. */
export const structsOf: {
  readonly x86_64: Layouts<Specs, "x86_64">;
  readonly x86_32: Layouts<Specs, "x86_32">;
} = { x86_64: structs, x86_32: structs32 };
