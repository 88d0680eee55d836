// SPDX-License-Identifier: MIT

// The lock of redis-plus-plus as a peer of the bench; README.md says what is spoken. Usage: cpp PACKAGE HOST PORT
#include <sw/redis++/redis++.h>
#include <sw/redis++/patterns/redlock.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

static long long now()
{
	return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

static void pairs(sw::redis::RedMutex &lock, long long count)
{
	std::vector<long long> samples;
	long long begin = now();

	for (long long i = 0; i < count; i++) {
		long long before = now();

		lock.lock();
		lock.unlock();
		samples.push_back(now() - before);
	}
	double seconds = static_cast<double>(now() - begin) / 1e9;

	std::sort(samples.begin(), samples.end());
	std::cout << "{\"pairs\": " << count << ", \"seconds\": " << seconds
	          << ", \"p50_us\": " << static_cast<double>(samples[samples.size() / 2]) / 1e3 << "}" << std::endl;
}

static void holds(sw::redis::RedMutex &lock, long long milliseconds)
{
	long long begin = now(), end = begin + milliseconds * 1000000;
	const char *separator = "";

	std::cout << "{\"begin\": " << begin << ", \"end\": " << end << ", \"holds\": [";
	while (now() < end) {
		lock.lock();
		long long acquired = now();

		std::cout << separator << "[" << acquired << ", " << now() << "]";
		separator = ", ";
		lock.unlock();
	}
	std::cout << "]}" << std::endl;
}

int main(int, char **argv)
{
	auto redis = std::make_shared<sw::redis::Redis>(std::string("tcp://") + argv[2] + ":" + argv[3]);
	std::string what, name;
	long long amount;

	std::cout << "ready" << std::endl;
	while (std::cin >> what >> name >> amount) {
		sw::redis::RedMutex lock(redis, name);

		if (what == "pair")
			pairs(lock, amount);
		else
			holds(lock, amount);
	}
	return 0;
}
