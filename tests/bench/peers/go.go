// SPDX-License-Identifier: MIT

// Locks for Go as peers of the bench; README.md says what is spoken. Usage: go PACKAGE HOST PORT
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/bsm/redislock"
	"github.com/go-redsync/redsync/v4"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"
)

const ttl = 30 * time.Second

// Waits for the lock; what releases it.
type acquire func(name string) func()

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func withRedsync(client *redis.Client) acquire {
	pool := redsync.New(goredis.NewPool(client))
	return func(name string) func() {
		mutex := pool.NewMutex(name, redsync.WithExpiry(ttl), redsync.WithTries(1<<30))
		must(mutex.Lock())
		return func() {
			_, err := mutex.Unlock()
			must(err)
		}
	}
}

func withBsm(client *redis.Client) acquire {
	locker, ctx := redislock.New(client), context.Background()
	options := &redislock.Options{RetryStrategy: redislock.LinearBackoff(100 * time.Millisecond)}
	return func(name string) func() {
		lock, err := locker.Obtain(ctx, name, ttl, options)
		must(err)
		return func() { must(lock.Release(ctx)) }
	}
}

func now() int64 { return time.Now().UnixNano() }

func pairs(take acquire, name string, count int64) any {
	var samples []int64
	var sum int64
	for range count {
		before := now()
		take(name)()
		samples = append(samples, now()-before)
		sum += samples[len(samples)-1]
	}
	slices.Sort(samples)
	return map[string]any{"pairs": count, "seconds": float64(sum) / 1e9, "p50_us": float64(samples[count/2]) / 1e3}
}

func holds(take acquire, name string, milliseconds int64) any {
	taken := [][2]int64{}
	begin := now()
	end := begin + milliseconds*1000000
	for now() < end {
		release := take(name)
		acquired := now()
		taken = append(taken, [2]int64{acquired, now()})
		release()
	}
	return map[string]any{"begin": begin, "end": end, "holds": taken}
}

func main() {
	client := redis.NewClient(&redis.Options{Addr: os.Args[2] + ":" + os.Args[3]})
	take := map[string]func(*redis.Client) acquire{"redsync": withRedsync, "bsm/redislock": withBsm}[os.Args[1]](client)
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var what, name string
		var amount int64
		_, err := fmt.Sscan(lines.Text(), &what, &name, &amount)
		must(err)
		run := holds
		if what == "pair" {
			run = pairs
		}
		must(json.NewEncoder(os.Stdout).Encode(run(take, name, amount)))
	}
}
