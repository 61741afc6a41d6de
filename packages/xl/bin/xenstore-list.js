#!/usr/bin/env node
process.argv.splice(2, 0, "list");
await import("../dist/xenstore.js");
