import { CONSOLEIO_read, CONSOLEIO_write, EFAULT, ENOSYS, EPERM } from "@xen-node/xen-abi";
import type { HypercallHandler } from "./hypercall-args.ts";

const MAX_WRITE = 4096;

/** console_io(cmd, count, buffer) */
export const consoleIo: HypercallHandler = (hv, vcpu, args) => {
  if (!vcpu.domain.consoleIo) return -EPERM;
  const count = args.u32(1);
  switch (args.u32(0)) {
    case CONSOLEIO_write:
      for (let done = 0; done < count; done += MAX_WRITE) {
        const n = Math.min(MAX_WRITE, count - done);
        if (!hv.guest.fetch(args.va(2) + done, n)) return -EFAULT;
        vcpu.domain.hypercalls.console.write(hv.guest.scratch.subarray(0, n));
        if (hv.dispatcher.spend()) break;
      }
      return 0;
    case CONSOLEIO_read:
      return 0;
    default:
      return -ENOSYS;
  }
};
