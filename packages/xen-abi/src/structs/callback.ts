import { struct, structPerAbi } from "../layout/spec.ts";
import { xen_callback } from "./arch-x86.ts";

// xen/include/public/callback.h, nmi.h

export const callback_register = structPerAbi("callback_register", {
  x86_64: { type: "u16", flags: "u16", address: "ulong" },
  x86_32: { type: "u16", flags: "u16", address: xen_callback },
});
export const callback_unregister = struct("callback_unregister", { type: "u16", _unused: "u16" });

export const xennmi_callback = struct("xennmi_callback", { handler_address: "ulong", pad: "ulong" });
