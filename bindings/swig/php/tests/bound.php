<?php
// SPDX-License-Identifier: MIT

/**
 * Whether the binding is complete: bound.php HEADER
 *
 * Every public function of the header is bound under a name in PHP, or left out for a reason; no entry is out of date; all
 * that is public has a doc comment which tells its arguments; and what the README shows is PHP.
 */

declare(strict_types=1);

require __DIR__ . '/../autoload.php';

const BOUND = [
    'redislock_version_number' => 'Client::versionNumber',
    'redislock_version_string' => 'Client::version',
    'redislock_has' => 'Client::has',
    'redislock_strerror' => 'the message of an exception',
    'redislock_client_new' => 'Client::__construct',
    'redislock_url_error' => 'the message of an exception',
    'redislock_client_set_connect_timeout_ms' => 'Client::__construct($connectTimeout)',
    'redislock_client_set_command_timeout_ms' => 'Client::__construct($commandTimeout)',
    'redislock_client_set_name' => 'Client::__construct($name)',
    'redislock_client_set_credentials' => 'Client::setCredentials',
    'redislock_client_set_interruptible' => 'always on: signals let their handlers run',
    'redislock_client_connect' => 'Client::connect',
    'redislock_client_ping' => 'Client::ping',
    'redislock_client_lost_fd' => 'Client::lostStream',
    'redislock_client_error' => 'the message of an exception',
    'redislock_client_break' => 'Client::break',
    'redislock_lock_new' => 'Client::lock',
    'redislock_lock_set_ttl_ms' => 'Client::lock($ttl)',
    'redislock_lock_set_renewal' => 'Client::lock($renew)',
    'redislock_lock_set_wait_ms' => 'Client::lock($wait)',
    'redislock_lock_set_spin_interval_ms' => 'Client::spinLock($interval)',
    'redislock_lock_set_spin_growth' => 'Client::spinLock($growth)',
    'redislock_lock_set_owner' => 'Client::lock($owner)',
    'redislock_lock_set_token' => 'Client::lock($token)',
    'redislock_lock_acquire' => 'Lock::acquire',
    'redislock_lock_cancel' => 'Lock::acquire, when a signal handler throws',
    'redislock_lock_release' => 'Lock::release',
    'redislock_lock_extend' => 'Lock::extend',
    'redislock_lock_is_held' => 'Lock::isHeld',
    'redislock_lock_remaining_ms' => 'Lock::remaining',
    'redislock_lock_fence' => 'Lock::fence',
    'redislock_lock_token' => 'Lock::token',
    'redislock_lock_channel' => 'Lock::$channel',
    'redislock_lock_place' => 'Lock::place',
    'redislock_lock_error' => 'the message of an exception',
    'redislock_info_get' => 'Client::status',
    'redislock_info_locked' => 'Status::$locked',
    'redislock_info_token' => 'Status::$token',
    'redislock_info_owner' => 'Status::$owner',
    'redislock_info_remaining_ms' => 'Status::$remaining',
    'redislock_info_waiters' => 'Status::$waiters',
    'redislock_info_fence' => 'Status::$fence',
    'redislock_list_new' => 'Client::list',
    'redislock_list_next' => 'Client::list',
];

const NO_LOOP = 'PHP has no event loop of its own that it could be part of';
const NO_QUORUM = 'many masters: no face for it yet';
const FREED = 'the extension calls it when nobody refers to the object any more';
const LEFT_OUT = [
    'redislock_client_set_tls_authorities' => 'the URL says it',
    'redislock_client_set_tls_certificate' => 'the URL says it',
    'redislock_client_set_sentinel_credentials' => 'the URL says it',
    'redislock_client_set_tls_server_name' => 'the URL says it',
    'redislock_client_set_min_replicas' => "not offered yet; the server's min-replicas-to-write comes near to it",
    'redislock_client_set_tls_unverified' => 'for trying things out, which another tool can do',
    'redislock_error_name' => 'the class of an exception tells it',
    'redislock_client_free' => FREED,
    'redislock_lock_free' => FREED,
    'redislock_info_free' => FREED,
    'redislock_list_free' => FREED,
    'redislock_client_interrupt' => 'no PHP runs while a script waits, and signals interrupt by themselves',
    'redislock_lock_interrupt' => 'no PHP runs while a script waits, and signals interrupt by themselves',
    'redislock_lock_name' => 'the lock keeps the string that it was made with: Lock::$name',
    'redislock_client_new_eventloop' => NO_LOOP,
    'redislock_client_fd' => NO_LOOP,
    'redislock_client_timeout_ms' => NO_LOOP,
    'redislock_client_dispatch' => NO_LOOP,
    'redislock_client_next_event' => NO_LOOP,
    'redislock_event_type' => NO_LOOP,
    'redislock_event_status' => NO_LOOP,
    'redislock_event_tag' => NO_LOOP,
    'redislock_event_lock' => NO_LOOP,
    'redislock_event_take_info' => NO_LOOP,
    'redislock_lock_start_acquire' => NO_LOOP,
    'redislock_lock_start_release' => NO_LOOP,
    'redislock_lock_start_extend' => NO_LOOP,
    'redislock_client_start_ping' => NO_LOOP,
    'redislock_client_start_info' => NO_LOOP,
    'redislock_client_start_break' => NO_LOOP,
    'redislock_quorum_new' => NO_QUORUM,
    'redislock_quorum_new_eventloop' => NO_QUORUM,
    'redislock_quorum_add_server' => NO_QUORUM,
    'redislock_quorum_free' => NO_QUORUM,
    'redislock_quorum_set_server_timeout_ms' => NO_QUORUM,
    'redislock_quorum_set_interruptible' => NO_QUORUM,
    'redislock_quorum_interrupt' => NO_QUORUM,
    'redislock_quorum_lost_fd' => NO_QUORUM,
    'redislock_quorum_lock_new' => NO_QUORUM,
    'redislock_quorum_lock_free' => NO_QUORUM,
    'redislock_quorum_lock_set_ttl_ms' => NO_QUORUM,
    'redislock_quorum_lock_set_renewal' => NO_QUORUM,
    'redislock_quorum_lock_set_wait_ms' => NO_QUORUM,
    'redislock_quorum_lock_set_spin_interval_ms' => NO_QUORUM,
    'redislock_quorum_lock_set_owner' => NO_QUORUM,
    'redislock_quorum_lock_acquire' => NO_QUORUM,
    'redislock_quorum_lock_release' => NO_QUORUM,
    'redislock_quorum_lock_extend' => NO_QUORUM,
    'redislock_quorum_lock_is_held' => NO_QUORUM,
    'redislock_quorum_lock_remaining_ms' => NO_QUORUM,
    'redislock_quorum_lock_agreed' => NO_QUORUM,
    'redislock_quorum_lock_token' => NO_QUORUM,
    'redislock_quorum_lock_name' => NO_QUORUM,
    'redislock_quorum_lock_interrupt' => NO_QUORUM,
    'redislock_quorum_lock_error' => NO_QUORUM,
    'redislock_quorum_fd' => NO_QUORUM,
    'redislock_quorum_timeout_ms' => NO_QUORUM,
    'redislock_quorum_dispatch' => NO_QUORUM,
    'redislock_quorum_next_event' => NO_QUORUM,
    'redislock_event_quorum_lock' => NO_QUORUM,
    'redislock_quorum_lock_start_acquire' => NO_QUORUM,
    'redislock_quorum_lock_start_release' => NO_QUORUM,
    'redislock_quorum_lock_start_extend' => NO_QUORUM,
    'redislock_quorum_lock_cancel' => NO_QUORUM,
];

$complaints = 0;
function complain(string $format, mixed ...$values): void
{
    $GLOBALS['complaints']++;
    printf("$format\n", ...$values);
}

// ---- functions ----

preg_match_all('/^[a-z][^\n(]*[ *](redislock_[a-z\d_]*)\(/m', file_get_contents($argv[1]), $found);
$declared = $found[1];
if (count($declared) <= 60) {
    throw new Exception('the header was misread: ' . count($declared));
}

// Without what comments speak of.
$sources = implode(array_map(php_strip_whitespace(...), glob(__DIR__ . '/../src/*.php')));
foreach ($declared as $name) {
    $used = preg_match("/\\\\$name\\(/", $sources) === 1;
    $where = BOUND[$name] ?? null;
    if ($where !== null && isset(LEFT_OUT[$name])) {
        complain('%s: bound and left out', $name);
    } elseif ($where !== null && !$used) {
        complain('%s: bound as %s, but nowhere called', $name, $where);
    } elseif (isset(LEFT_OUT[$name]) && $used) {
        complain('%s: left out, but called', $name);
    } elseif ($where === null && !isset(LEFT_OUT[$name])) {
        complain('%s: neither bound nor left out', $name);
    }
}
foreach (array_diff(array_keys(BOUND + LEFT_OUT), $declared) as $name) {
    complain('%s: no function of the header any more', $name);
}

// ---- names in PHP ----

foreach (BOUND as $name => $where) {
    if (preg_match('/^(\w+)::(\$?)(\w+)(?:\(\$(\w+)\))?/', $where, $part) !== 1) {
        continue;
    }
    $class = 'RedisLock\\' . $part[1];
    if ($part[2] === '$') {
        $there = property_exists($class, $part[3]);
    } else {
        $there = method_exists($class, $part[3]) && (new ReflectionMethod($class, $part[3]))->isPublic();
        if ($there && isset($part[4])) {
            $there = in_array($part[4], array_map(fn ($parameter) => $parameter->getName(),
                (new ReflectionMethod($class, $part[3]))->getParameters()), true);
        }
    }
    if (!$there) {
        complain('%s: there is no %s', $name, $where);
    }
}

// ---- doc comments ----

// Those of PHP itself.
const KNOWN = ['__serialize', '__debugInfo'];
$documented = 0;
foreach (['Client', 'Lock', 'Status'] as $class) {
    $class = new ReflectionClass("RedisLock\\$class");
    foreach ($class->getMethods(ReflectionMethod::IS_PUBLIC) as $method) {
        $comment = (string) $method->getDocComment();
        if (in_array($method->getName(), KNOWN, true)) {
            continue;
        }
        $documented++;
        if ($comment === '') {
            complain('%s::%s: no doc comment', $class->getName(), $method->getName());
        }
    }
}
foreach (['__construct', 'lock'] as $method) {
    $method = new ReflectionMethod(RedisLock\Client::class, $method);
    foreach ($method->getParameters() as $parameter) {
        if (!preg_match("/@param +\\S+ +\\\${$parameter->getName()} /", $method->getDocComment())) {
            complain('Client::%s: nothing of $%s', $method->getName(), $parameter->getName());
        }
    }
}
if ($documented < 20) {
    throw new Exception("the classes were misread: $documented");
}

// ---- what documents show ----

$shown = 0;
foreach ([__DIR__ . '/../README.md'] as $path) {
    preg_match_all('/```php\n(.*?)```/s', file_get_contents($path), $found);
    foreach ($found[1] as $code) {
        $shown++;
        try {
            token_get_all("<?php $code", TOKEN_PARSE);
        } catch (ParseError $error) {
            complain('%s: %s', $path, $error->getMessage());
        }
    }
}
if ($shown < 3) {
    throw new Exception('the README was misread');
}

if ($complaints > 0) {
    exit(1);
}
printf("%d functions: %d bound, %d left out on purpose\n", count($declared), count(BOUND), count(LEFT_OUT));
