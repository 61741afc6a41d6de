import type { DomainEnd, Guest, GuestFate } from "@xen-node/toolstack";

const FATES: Record<GuestFate, string> = {
  gone: "",
  restarting: "; starting it again",
  preserved: "; its memory is kept",
};

/** Tells the user how a guest ended, in lines. */
export function describeEnd(guest: Guest, end: DomainEnd, fate: GuestFate): string[] {
  const fateText = FATES[fate];
  switch (end.kind) {
    case "poweroff":
      return [`${guest.name} powered off${fateText}`];
    case "reboot":
      return [
        `${guest.name} asked for a reboot${fate === "gone" ? '; leaving, as on_reboot says (run it again, or use a configuration file with on_reboot = "restart")' : fateText}`,
      ];
    case "suspend":
      return [`${guest.name} suspended itself${fateText}`];
    case "watchdog":
      return [`${guest.name} was ended by its watchdog${fateText}`];
    case "destroyed":
      return [`${guest.name} was killed${fateText}`];
    case "crash":
      if (end.dump?.cause === "machineMemory")
        return [
          `${guest.name} was ended: ${end.dump.reason}; run fewer guests or give the machine more memory${fateText}`,
        ];
      return [
        `${guest.name} crashed${end.dump === undefined ? "" : `: ${end.dump.reason}`}${fateText}`,
        ...(end.dump?.lines ?? []),
      ];
  }
}
