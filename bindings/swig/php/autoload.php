<?php
// SPDX-License-Identifier: MIT

/**
 * Loads the classes of redislock as they are needed, for those who don't use Composer:
 *
 *     require 'RedisLock/autoload.php';
 */

declare(strict_types=1);

spl_autoload_register(static function (string $class): void {
    if (preg_match('/^RedisLock\\\\(\w+)$/D', $class, $found) !== 1) {
        return;
    }
    if (!extension_loaded('redislock')) {
        throw new Error("$class needs the extension redislock: is there a line extension=redislock in PHP's configuration?");
    }
    $file = __DIR__ . '/src/' . (str_ends_with($found[1], 'Exception') ? 'exceptions' : $found[1]) . '.php';
    if (is_file($file)) {
        require_once $file;
    }
});
