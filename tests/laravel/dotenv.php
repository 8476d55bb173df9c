<?php
// Reads texts as JSON, one a line, and prints what phpdotenv makes of each.
require '/usr/share/php/Dotenv/autoload.php';

use Dotenv\Exception\InvalidFileException;
use Dotenv\Loader\Loader;
use Dotenv\Parser\Parser;
use Dotenv\Repository\Adapter\ArrayAdapter;
use Dotenv\Repository\RepositoryBuilder;

while (($line = fgets(STDIN)) !== false) {
    $adapter = ArrayAdapter::create()->get();
    $repository = RepositoryBuilder::createWithNoAdapters()->addAdapter($adapter)->immutable()->make();
    try {
        $entries = (new Parser)->parse(json_decode($line));
        (new Loader)->load($repository, $entries);
        $variables = [];
        foreach ($entries as $entry) {
            $variables[$entry->getName()] = $repository->get($entry->getName());
        }
        echo json_encode((object) $variables), "\n";
    } catch (InvalidFileException $error) {
        preg_match('/Encountered (.*?) at \[/', $error->getMessage(), $found);
        echo json_encode($found[1]), "\n";
    }
}
