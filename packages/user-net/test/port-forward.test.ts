import { expect, it } from "vitest";
import { pingArguments } from "../src/host-ping.ts";
import { UserNetConfigError } from "../src/options.ts";
import { formatPortForward, parsePortForward } from "../src/port-forward.ts";

it.each([
  [
    "tcp:127.0.0.1:8080-10.0.2.15:80",
    { protocol: "tcp", hostAddress: "127.0.0.1", hostPort: 8080, guestAddress: "10.0.2.15", guestPort: 80 },
  ],
  [
    "tcp::8080-10.0.2.15:80",
    { protocol: "tcp", hostAddress: undefined, hostPort: 8080, guestAddress: "10.0.2.15", guestPort: 80 },
  ],
  ["udp::0-:53", { protocol: "udp", hostAddress: undefined, hostPort: 0, guestAddress: undefined, guestPort: 53 }],
  [":8080-:80", { protocol: "tcp", hostAddress: undefined, hostPort: 8080, guestAddress: undefined, guestPort: 80 }],
  [
    "tcp:[::1]:8080-[fd00::15]:80",
    { protocol: "tcp", hostAddress: "::1", hostPort: 8080, guestAddress: "fd00::15", guestPort: 80 },
  ],
])("reads %s", (text, forward) => {
  expect(parsePortForward(text)).toEqual(forward);
  expect(parsePortForward(formatPortForward(parsePortForward(text)))).toEqual(forward);
});

it.each([
  "",
  "8080",
  "tcp:8080:80",
  "sctp::1-:2",
  "tcp::70000-:80",
  "tcp::80-:0",
  "tcp:localhost:80-:80",
  "tcp:::1:80-:80",
])("refuses %j", (text) => {
  expect(() => parsePortForward(text)).toThrow(UserNetConfigError);
});

it("calls each system's ping as it wants", () => {
  expect(pingArguments("linux", "192.0.2.1", 56)).toEqual(["-n", "-q", "-c", "1", "-W", "3", "-s", "56", "192.0.2.1"]);
  expect(pingArguments("darwin", "192.0.2.1", 56)).toContain("3000");
  expect(pingArguments("win32", "192.0.2.1", 56)).toEqual(["-n", "1", "-w", "3000", "-l", "56", "192.0.2.1"]);
});
