// SPDX-License-Identifier: MIT

// redlock for Node as a peer of the bench; README.md says what is spoken. Usage: node.js PACKAGE HOST PORT
"use strict";
const readline = require("node:readline");
const Redis = require("ioredis");
const Redlock = require("redlock");

const TTL = 30000;
const [, , , host, port] = process.argv;
const client = new (Redis.default ?? Redis)(Number(port), host);
const locks = new (Redlock.default ?? Redlock)([client], { retryCount: -1 });
const now = () => Number(process.hrtime.bigint());

async function pairs(name, count) {
	const samples = [];
	for (let i = 0; i < count; i++) {
		const before = now();
		const lock = await locks.lock(name, TTL);
		await lock.unlock();
		samples.push(now() - before);
	}
	const seconds = samples.reduce((sum, sample) => sum + sample, 0) / 1e9;
	samples.sort((a, b) => a - b);
	return { pairs: count, seconds, p50_us: samples[count >> 1] / 1e3 };
}

async function holds(name, milliseconds) {
	const taken = [], begin = now(), end = begin + milliseconds * 1e6;
	while (now() < end) {
		const lock = await locks.lock(name, TTL);
		const acquired = now();
		taken.push([acquired, now()]);
		await lock.unlock();
	}
	return { begin, end, holds: taken };
}

async function main() {
	console.log("ready");
	for await (const line of readline.createInterface({ input: process.stdin })) {
		const [what, name, amount] = line.split(" ");
		console.log(JSON.stringify(await (what === "pair" ? pairs : holds)(name, Number(amount))));
	}
	client.disconnect();
}

main().catch((error) => {
	console.error(error);
	process.exit(1);
});
