import type { DomainInfo } from "@xen-node/control";
import { left, right } from "../columns.ts";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** "0:00:07", "1 day,  2:03:04"; short: without the seconds. */
export function uptimeText(seconds: number, short: boolean): string {
  const days = Math.floor(seconds / DAY);
  const hours = Math.floor((seconds % DAY) / HOUR);
  const two = (value: number): string => String(value).padStart(2, "0");
  const minutes = two(Math.floor((seconds % HOUR) / MINUTE));
  const clock = `${right(hours, 2)}:${minutes}${short ? "" : `:${two(seconds % MINUTE)}`}`;
  return days === 0 ? clock : `${days} day${days > 1 ? "s" : ""}, ${clock}`;
}

/** The lines of `xl uptime`. @param now seconds since 1970 */
export function uptimeList(domains: readonly DomainInfo[], now: Date, short: boolean): string[] {
  const nowSeconds = Math.floor(now.getTime() / 1000);
  const rows = domains.map(({ name, domid, startTime }) => {
    const text = uptimeText(Math.max(0, nowSeconds - startTime), short);
    if (!short) return `${left(name, 33)} ${right(domid, 4)} ${text}`;
    return ` ${now.toTimeString().slice(0, 8)} up ${text}, ${name} (${domid})`;
  });
  return short ? rows : [`${left("Name", 33)} ${right("ID", 4)} Uptime`, ...rows];
}
