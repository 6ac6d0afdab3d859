<?php
namespace _bai {
    /** The documentation of a name: its signature, its origin, and the comment before it. */
    function explain(string $name): string
    {
        try {
            if (preg_match('/^(\$\w+(?:->\w+)*)->(\w+)$/', $name, $match) && is_object($object = Suggest::resolve($match[1]))
                && method_exists($object, $match[2])) {
                return describe(new \ReflectionMethod($object, $match[2]));
            }
            if ($name !== '' && $name[0] === '$') {
                $value = Suggest::resolve($name);
                $kind = is_object($value) ? get_class($value) : gettype($value);
                return "$name = " . Show::value($value) . "\n$kind\n";
            }
            if (preg_match('/^([\w\\\\]+)::(\w+)$/', $name, $match)) {
                if (method_exists($match[1], $match[2])) {
                    return describe(new \ReflectionMethod($match[1], $match[2]));
                }
                return "$name = " . Show::value(constant($name)) . "\n";
            }
            if (function_exists($name)) {
                return describe(new \ReflectionFunction($name));
            }
            if (class_exists($name) || interface_exists($name) || trait_exists($name)) {
                return describe_class(new \ReflectionClass($name));
            }
            if (defined($name)) {
                return "$name = " . Show::value(constant($name)) . "\n";
            }
        } catch (\ReflectionException | \Error $error) {
            // Then it is not known.
        }
        return "$name is not known\n";
    }

    function describe(\ReflectionFunctionAbstract $function): string
    {
        $class = $function instanceof \ReflectionMethod ? $function->class . '::' : '';
        $returns = $function->hasReturnType() ? $function->getReturnType() : null;
        if ($returns === null && method_exists($function, 'getTentativeReturnType')) {
            $returns = $function->getTentativeReturnType();
        }
        $head = "function $class{$function->getName()}(" . parameters($function) . ')' . ($returns ? ": $returns" : '');
        return "$head\n" . origin($function);
    }

    function describe_class(\ReflectionClass $class): string
    {
        $kind = $class->isInterface() ? 'interface' : ($class->isTrait() ? 'trait' : 'class');
        $parent = $class->getParentClass();
        $head = "$kind {$class->getName()}" . ($parent ? " extends {$parent->getName()}" : '');
        $interfaces = $class->getInterfaceNames();
        $lines = [$head . ($interfaces ? ' implements ' . implode(', ', $interfaces) : ''), rtrim(origin($class)), ''];
        foreach ($class->getConstants() as $name => $value) {
            $lines[] = "  const $name = " . Show::value($value);
        }
        foreach ($class->getProperties(\ReflectionProperty::IS_PUBLIC) as $property) {
            $lines[] = '  ' . ($property->isStatic() ? 'static ' : '') . "\${$property->getName()}";
        }
        foreach ($class->getMethods(\ReflectionMethod::IS_PUBLIC) as $method) {
            $lines[] = '  ' . ($method->isStatic() ? 'static ' : '') . "{$method->getName()}(" . parameters($method) . ')';
        }
        return rtrim(implode("\n", $lines)) . "\n";
    }

    /** @param \ReflectionFunctionAbstract|\ReflectionClass $what */
    function origin($what): string
    {
        if (!$what->getFileName()) {
            $extension = $what->getExtensionName();
            return 'built in' . ($extension ? ", in $extension" : '') . "\n";
        }
        $source = Cells::$sources[$what->getFileName()] ?? @file($what->getFileName(), FILE_IGNORE_NEW_LINES) ?: [];
        $above = [];
        for ($at = $what->getStartLine() - 2; $at >= 0 && preg_match('~^\s*(?://|#(?!\[))\s?(.*)~', $source[$at] ?? '', $match); $at--) {
            array_unshift($above, $match[1]);
        }
        $comment = $what->getDocComment() ?: implode("\n", $above);
        $comment = trim(preg_replace(['~^\s*/\*\*\s?~', '~\s*\*/$~', '~^[ \t]*\* ?~m'], '', $comment));
        return "{$what->getFileName()}:{$what->getStartLine()}\n" . ($comment === '' ? '' : "\n$comment\n");
    }
}
