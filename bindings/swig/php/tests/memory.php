<?php
// SPDX-License-Identifier: MIT

/** What is done over and over takes no more memory: memory.php URL. For valgrind, see the script beside it. */

declare(strict_types=1);

require __DIR__ . '/../autoload.php';

function everything(string $url, RedisLock\Client $client): void
{
    $name = "with\0zero";
    $lock = $client->lock($name, owner: 'me', token: 'token', wait: 0);
    $lock->acquire();
    $lock->extend(5);
    $lock->token();
    $client->status($name);
    iterator_to_array($client->list());
    $client->lostStream();
    $client->spinLock($name)->tryAcquire() && throw new Exception('twice');
    foreach ([$lock->acquire(...), $client->lock('free')->release(...), fn () => new RedisLock\Client('redis://a:b'),
        fn () => $client->lock($name, owner: "\n")] as $call) {
        try {
            $call();
        } catch (RedisLock\Exception | ValueError) {
        }
    }
    $client->break($name);
    (new RedisLock\Client($url))->lock('forgotten')->acquire();
}

$client = new RedisLock\Client($argv[1]);
for ($i = 0; $i < 5; $i++) {
    everything($argv[1], $client);
}
$before = memory_get_usage();
for ($i = 0; $i < 20; $i++) {
    everything($argv[1], $client);
}
$more = memory_get_usage() - $before;
if ($more > 1000) {
    echo "$more bytes more\n";
    exit(1);
}
