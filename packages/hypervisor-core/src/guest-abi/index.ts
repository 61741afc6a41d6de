import type { GuestAbi, GuestAbiName } from "./guest-abi.ts";
import { x86Of32 } from "./x86-32.ts";
import { x86Of64 } from "./x86-64.ts";

/** The interfaces that a PV guest can have. */
export const guestAbis: Readonly<Record<GuestAbiName, GuestAbi>> = { x86_64: x86Of64, x86_32p: x86Of32 };
