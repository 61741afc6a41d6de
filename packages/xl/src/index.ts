export { daemonOptions } from "./daemon-options.ts";
export { runXenstore } from "./run-xenstore.ts";
export { runXl, type XlOptions } from "./run-xl.ts";
export { ESCAPE_KEY, Terminal, type TerminalEvents, type TerminalStreams } from "./terminal.ts";
