// Loaded into Azurite before it starts: when whoever started it is gone, its standard input ends, and it ends as well,
// in the way that makes it write what it keeps in memory.
process.stdin.on("end", () => process.kill(process.pid, "SIGTERM")).resume();
// Without this the open pipe keeps Node alive after Azurite has closed everything on SIGTERM.
process.stdin.unref();
