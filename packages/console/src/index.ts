export { Backlog } from "./backlog.ts";
export type { ByteSink, ConsoleOptions, ConsoleState } from "./console-backend.ts";
export { ConsoleBackend } from "./console-backend.ts";
export { ConsoleFrontend } from "./console-frontend.ts";
export type { RingPage } from "./console-ring.ts";
