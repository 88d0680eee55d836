<?php
// SPDX-License-Identifier: MIT

declare(strict_types=1);

error_reporting(E_ALL);
require __DIR__ . '/../autoload.php';
foreach (['Eventually', 'Server', 'Script', 'TestCase'] as $class) {
    require __DIR__ . "/$class.php";
}
