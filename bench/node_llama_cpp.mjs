// Prompt and generation speed of llama.cpp as the npm package node-llama-cpp ships it, for bench/compare.py:
//     node bench/node_llama_cpp.mjs MODEL.gguf N_PROMPT N_GEN N_THREADS REPETITIONS
// prints {"engine", "pp": [tokens per second, ...], "tg": [...]}; with ids:[1, 2, 3] for N_PROMPT it prints the ids that
// follow these greedily, {"ids": [...]}. The package is looked for from the current directory.
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";

const [path, prompt, nGen, nThreads, repetitions] = process.argv.slice(2);
const require = createRequire(process.cwd() + "/");
const module = await import(pathToFileURL(require.resolve("node-llama-cpp")).href);
const llama = await module.getLlama({gpu: false, build: "never", logLevel: "error", maxThreads: Number(nThreads)});
const model = await llama.loadModel({modelPath: path});
const generate = Number(nGen);

function seconds(start) {
    return Number(process.hrtime.bigint() - start) * 1e-9;
}

async function continueIds(text) {
    const context = await model.createContext({contextSize: 512, threads: Number(nThreads)});
    const sequence = context.getSequence();
    const tokens = JSON.parse(text);
    const ids = [];
    for await (const id of sequence.evaluate(tokens, {temperature: 0, yieldEogToken: true})) {
        ids.push(id);
        if (ids.length === generate)
            break;
    }
    console.log(JSON.stringify({ids}));
}

async function measure(nPrompt) {
    const context = await model.createContext({
        contextSize: nPrompt + generate + 16, batchSize: Math.max(nPrompt, 1), threads: Number(nThreads)
    });
    const sequence = context.getSequence();
    const tokens = Array.from({length: nPrompt}, (_, i) => 100 + (i * 7919) % 1000);
    const result = {engine: `llama.cpp ${llama.llamaCppRelease?.release ?? ""}`.trim(), pp: [], tg: []};

    for (let i = 0; i <= Number(repetitions); i++) { // the first is a warm-up
        await sequence.clearHistory();
        let start = process.hrtime.bigint();
        await sequence.evaluateWithoutGeneratingNewTokens(tokens);
        const pp = nPrompt / seconds(start);
        let n = 0;
        for await (const _ of sequence.evaluate([tokens[0]], {temperature: 0, yieldEogToken: true})) {
            if (n++ === 0)
                start = process.hrtime.bigint();
            if (n > generate)
                break;
        }
        if (i > 0) {
            result.pp.push(pp);
            result.tg.push((n - 1) / seconds(start));
        }
    }
    console.log(JSON.stringify(result));
}

if (prompt.startsWith("ids:"))
    await continueIds(prompt.slice(4));
else
    await measure(Number(prompt));
process.exit(0);
