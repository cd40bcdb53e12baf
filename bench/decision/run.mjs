// Runs the benchmark's wasm32-wasip1 module in V8: node run.mjs <module.wasm>. Prints its figures.
import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";

const wasi = new WASI({ version: "preview1", args: ["weir-bench-decision", "--figures"] });
const module = await WebAssembly.compile(await readFile(process.argv[2]));
wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
