// SPDX-License-Identifier: MIT

import java.util.Arrays;
import java.util.Scanner;
import java.util.StringJoiner;
import org.redisson.Redisson;
import org.redisson.api.RLock;
import org.redisson.api.RedissonClient;
import org.redisson.config.Config;

/** Redisson as a peer of the bench; README.md says what is spoken. Usage: Peer PACKAGE HOST PORT */
final class Peer {
	static String pairs(RLock lock, int count) {
		long[] samples = new long[count];
		for (int i = 0; i < count; i++) {
			long before = System.nanoTime();
			lock.lock();
			lock.unlock();
			samples[i] = System.nanoTime() - before;
		}
		double seconds = Arrays.stream(samples).sum() / 1e9;
		Arrays.sort(samples);
		return "{\"pairs\": " + count + ", \"seconds\": " + seconds + ", \"p50_us\": " + samples[count / 2] / 1e3 + "}";
	}

	static String holds(RLock lock, int milliseconds) {
		StringJoiner taken = new StringJoiner(", ", "[", "]");
		long begin = System.nanoTime(), end = begin + milliseconds * 1000000L;
		while (System.nanoTime() < end) {
			lock.lock();
			long acquired = System.nanoTime();
			taken.add("[" + acquired + ", " + System.nanoTime() + "]");
			lock.unlock();
		}
		return "{\"begin\": " + begin + ", \"end\": " + end + ", \"holds\": " + taken + "}";
	}

	public static void main(String[] arguments) {
		Config config = new Config();
		config.useSingleServer().setAddress("redis://" + arguments[1] + ":" + arguments[2]);
		RedissonClient client = Redisson.create(config);
		System.out.println("ready");
		for (Scanner lines = new Scanner(System.in); lines.hasNextLine();) {
			String[] words = lines.nextLine().split(" ");
			RLock lock = client.getLock(words[1]);
			int amount = Integer.parseInt(words[2]);
			System.out.println(words[0].equals("pair") ? pairs(lock, amount) : holds(lock, amount));
		}
		client.shutdown();
	}
}
