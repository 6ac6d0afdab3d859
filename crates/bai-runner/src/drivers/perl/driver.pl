# The driver of Perl; crates/bai-runner/src/wire.rs describes the messages. There is one thread, so the runner's messages
# during a cell come with a signal: SIGIO. All names are in the package _bai.
#
# `my` variables live on. When a cell has been compiled, the variables of its outermost scope are looked up in its pad and
# kept, even if the cell fails. The next cell is compiled inside a scope that declares them again as aliases of the kept
# ones, so that subroutines of all cells share them.

package _bai;

# This comes first, because a cell must not see any lexical variable.
sub perform { @_ = (); eval $_bai::text }

use strict;
use B ();
use Fcntl ();
use POSIX ();

our ($text, $cell, @value, $ok, $failure);
our (%lex, %our, %sources);
our ($hints, $warnings, %hints) = (0, undef);
our ($package, $cells, $process) = ('main', 0, $$);
our ($running, $interrupted, $number) = (0, 0, 0);
our (@waiting, $taken);
my $aliases = $] >= 5.022;
my $no_pad = 0xffffffff;

our $control;
my ($report, $aside, $out, $err);
open $report, '>&=', shift @ARGV or die;
open $aside, '>&=', shift @ARGV or die;
open $out, '>&', \*STDOUT or die;
open $err, '>&', \*STDERR or die;
fcntl $_, Fcntl::F_SETFD(), Fcntl::FD_CLOEXEC() for $control, $report, $aside;
$| = 1;

# Where our own modules are looked for. Perl before 5.26 looks in the current folder too, after all others.
sub without_folder { grep { ref or $_ ne '.' } @INC }

# ---- messages

# pipe, JSON: sends a message, in frames that are written in one piece.
sub transmit {
    my ($pipe, $rest) = @_;
    my $mine = $number = ($number + 1) & 0xffffffff;
    do {
        my $piece = substr $rest, 0, 4000, '';
        my $frame = pack('VvC', $mine, length $piece, $rest eq '' ? 1 : 0) . $piece;
        while (length $frame) {
            my $count = syswrite $pipe, $frame;
            substr $frame, 0, $count, '' if $count;
            return if !defined $count && !$!{EINTR};
        }
    } while length $rest;
    return $mine;
}

# JSON: returns when the runner has read all earlier output. In a process that a cell has forked it returns at once.
sub say_all {
    return if $$ != $process;
    local $SIG{IO} = 'IGNORE';
    my $mine = transmit($report, $_[0]);
    until (defined $taken && $taken == $mine) {
        receive(1);
    }
}

our ($unread, $receiving) = ('', 0);

# Processes the messages that have arrived; waits for one on request.
sub receive {
    my ($waits) = @_;
    return if $receiving;
    local ($receiving, $!, $@) = (1, $!, $@);
    my $ready = '';
    while (1) {
        vec($ready = '', fileno $control, 1) = 1;
        my $count = select $ready, undef, undef, $waits ? undef : 0;
        return if $count <= 0;
        # The runner has ended, and so does everything that it started.
        sysread $control, $unread, 65536, length $unread or kill KILL => 0;
        take($1) while $unread =~ s/\A([^\n]*)\n//;
        $waits = 0;
    }
}

sub take {
    my ($word, $id, $text) = split / /, $_[0], 3;
    $taken = $id if $word eq 'ack';
    push @waiting, [$id, unescape($text // ''), $word eq 'run'] if $word eq 'run' || $word eq 'script';
    push @waiting, undef if $word eq 'bye';
    window($text) if $word eq 'window';
    _bai::Suggest::answer($id, unescape($text // '')) if $word eq 'complete';
    # SIGINT was sent, and Perl does not notice it while it waits in system().
    if ($word eq 'wake' && $running && !$interrupted && ref $SIG{INT} && $SIG{INT} == \&on_interrupt) {
        $receiving = 0;
        interrupt();
    }
}

# "rows NAME=VALUE…": sets the variables, except those to which the user gave another value.
our %ours;
sub window {
    for (split / /, $_[0]) {
        my ($name, $value) = /\A(\w+)=(.*)/ or next;
        next if ($ENV{$name} // 'dumb') ne 'dumb' && $ENV{$name} ne ($ours{$name} // '');
        $ours{$name} = $value;
        length $value ? $ENV{$name} = $value : delete $ENV{$name};
    }
}

sub unescape {
    my ($text) = @_;
    $text =~ s/\\(.)/$1 eq 'n' ? "\n" : $1 eq 'r' ? "\r" : $1/ge;
    return $text;
}

sub quote {
    my ($text) = @_;
    utf8::encode($text) if utf8::is_utf8($text);
    my $valid = $text;
    $text =~ s/[\x80-\xff]/?/g unless utf8::decode($valid);
    $text =~ s/(["\\\x00-\x1f])/sprintf '\u%04x', ord $1/ge;
    return "\"$text\"";
}

# ---- standard streams

# Two pipes have no common order, so a write to standard error waits before and after until the runner has read the
# output. That usually happens at once, and the system reports it sooner than the runner.
my $fionread = $^O eq 'linux' ? 0x541b : 0;

sub settle {
    my ($handle) = @_;
    for (1 .. ($fionread ? 100 : 0)) {
        my $count = pack 'i', 0;
        return if ioctl($handle, $fionread, $count) && unpack('i', $count) == 0;
    }
    say_all('{"say":"sync"}');
}

sub complain {
    my ($text) = @_;
    utf8::encode($text) if utf8::is_utf8($text);
    # Traces leave out the driver's frames.
    if (index($text, '<bai-repl driver>') >= 0) {
        $text =~ s/^\teval '(?:my \$_bai_;|#line 1 "<bai-repl driver>").*?' called at <bai-repl driver> line \d+\.?\n?//msg;
        $text =~ s/^\t.* called at (?:<bai-repl driver>|-e) line \d+\.?\n?//mg;
    }
    settle($out);
    syswrite $err, $text;
    settle($err);
}

{
    package _bai::Errors;
    my $layer = '';
    sub TIEHANDLE { bless [], shift }
    sub PRINT {
        shift;
        _bai::complain(join($, // '', @_) . ($\ // ''));
        1;
    }
    sub PRINTF {
        shift;
        _bai::complain(sprintf shift, @_);
        1;
    }
    sub WRITE {
        my (undef, $text, $length, $from) = @_;
        _bai::complain(substr $text, $from // 0, $length // length $text);
        $length;
    }
    sub OPEN {
        shift;
        untie *STDERR;
        @_ > 1 ? open STDERR, $_[0], $_[1] : open STDERR, $_[0];
    }
    sub FILENO { 2 }
    sub BINMODE { 1 }
    sub CLOSE { 1 }
    sub UNTIE { }
}

{
    # Standard input for text that must not be shown.
    package _bai::Secret;
    sub TIEHANDLE { open my $in, '<&=', 0; bless [$in], shift }
    sub READLINE {
        my ($self) = @_;
        _bai::say_all('{"say":"ask","password":true,"stdin":true}');
        readline $self->[0];
    }
    sub FILENO { 0 }
    sub EOF { 0 }
    sub BINMODE { 1 }
    sub CLOSE { 1 }
    sub UNTIE { }
}

# Term::ReadKey needs a terminal, and there is none.
my $read_key = <<'MODULE';
package Term::ReadKey;
our $VERSION = '2.38';
require Exporter;
our @ISA = 'Exporter';
our @EXPORT = qw(ReadMode ReadLine ReadKey GetTerminalSize GetSpeed);
sub ReadMode {
    my %secret = map { $_ => 1 } 2, 'noecho';
    $secret{$_[0]} ? tie *STDIN, '_bai::Secret' : untie *STDIN;
}
sub ReadLine { scalar <STDIN> }
sub ReadKey { getc STDIN }
sub GetTerminalSize { (80, 24, 0, 0) }
sub GetSpeed { () }
1;
MODULE
unshift @INC, sub {
    return if $_[1] ne 'Term/ReadKey.pm';
    my $source = $read_key;
    open my $module, '<', \$source;
    $module;
};

# ---- functions that would change or end the interpreter

sub interrupt {
    $interrupted = 1;
    my (undef, $file, $line) = caller 1;
    my $level = 1;
    (undef, $file, $line) = caller ++$level while defined $file && $file =~ /^<bai-repl/;
    die defined $file ? "Interrupted at $file line $line.\n" : "Interrupted.\n";
}

sub on_interrupt { interrupt() if $running }
my $users_handler = \&on_interrupt;

BEGIN {
    no warnings 'redefine';
    *CORE::GLOBAL::exit = sub (;$) {
        my $code = @_ ? $_[0] // 0 : 0;
        die bless \$code, '_bai::Exit' if $$ == $process && $running;
        CORE::exit($code);
    };
    # The runner's messages interrupt a sleep.
    *CORE::GLOBAL::sleep = sub (;$) {
        return CORE::sleep() unless @_;
        my ($slept, $before) = (0, 0);
        do {
            ($before, $_bai::taken) = ($slept, undef);
            $_bai::woken = 0;
            $slept += CORE::sleep($_[0] - $slept);
        } while $_bai::woken && $slept < $_[0];
        $slept;
    };
}
our $woken = 0;

# ---- cells

# Called when a cell has been compiled: keeps the variables of its outermost scope. `_bai_`, the first of them, identifies
# that scope.
sub keep {
    my $padlist = B::svref_2object($_[0])->OUTSIDE->OUTSIDE->PADLIST;
    my @names = $padlist->ARRAYelt(0)->ARRAY;
    my @values = $padlist->ARRAYelt(1)->ARRAY;
    my $modern = $] >= 5.021;
    my $end;
    for my $at (0 .. $#names) {
        my $name = $names[$at];
        next if !$name || $name->isa('B::SPECIAL') || !defined $name->PV;
        my $text = $name->PV;
        $end //= $name->COP_SEQ_RANGE_HIGH if $text eq '$_bai_';
        next if !defined $end || $text !~ /^[\$\@%&]\w/ || $text eq '$_bai_';
        my $flags = $name->FLAGS;
        next if $flags & ($modern ? 1 : 0x01000000) || $name->COP_SEQ_RANGE_HIGH != $end;
        if ($flags & ($modern ? 16 : 0x00040000)) {
            delete $lex{$text};
            $our{$text} = $name->OURSTASH->NAME;
        } elsif ($values[$at] && !$values[$at]->isa('B::SPECIAL')) {
            delete $our{$text};
            $lex{$text} = $values[$at]->object_2svref;
        }
    }
}

# The pragmas of a cell apply to the next ones. They are applied again to read them, because they are gone at the end of a cell.
sub keep_pragmas {
    my ($code) = @_;
    $package = $1 while $code =~ /(?:^|[;}])\s*package\s+([\w:]+)\s*;/mg;
    my @pragmas = $code =~ /(?:^|;)[ \t]*((?:use|no)\s+(?:[a-z][\w:]*|v?\d[\d._]*)\b(?<!lib)[^;{}]*;)/mg;
    return unless @pragmas;
    my $restore = 'BEGIN { $^H = $_bai::hints; ${^WARNING_BITS} = $_bai::warnings; %^H = %_bai::hints }';
    my $note = 'BEGIN { $_bai::hints = $^H; $_bai::warnings = ${^WARNING_BITS}; %_bai::hints = %^H }';
    local $text = "$restore @pragmas; $note";
    local ($@, $SIG{__WARN__}) = ('', sub { });
    perform();
}

# The scope that a cell is compiled in.
sub scope {
    my @lines = ("package main; no strict; no warnings;");
    push @lines, 'use feature "refaliasing";' if $aliases;
    push @lines, 'use feature "lexical_subs";' if $aliases && $] < 5.026;
    push @lines, "package $our{$_}; our $_; package main;" for sort keys %our;
    for my $name (sort keys %lex) {
        my ($sigil) = $name =~ /^(.)/;
        my $kept = "\$_bai::lex{'$name'}";
        my $declared = $sigil eq '&' ? 'my sub ' . substr($name, 1) . "; \\$name" : "\\my $name";
        push @lines, $aliases ? "$declared = $kept;" : "my $name = $sigil\{$kept}; $kept = \\$name;";
    }
    push @lines, "package $package;";
    push @lines, 'BEGIN { $^H = $_bai::hints; ${^WARNING_BITS} = $_bai::warnings; %^H = %_bai::hints }';
    # In a block, which `last` may leave.
    push @lines, '{ @_bai::value = eval $_bai::cell; $_bai::ok = !ref $@ && $@ eq ""; $_bai::failure = $@ }';
    return join "\n", '#line 1 "<bai-repl driver>"', @lines;
}

sub evaluate {
    my ($code, $shows) = @_;
    my $name = '<cell ' . ++$cells . '>';
    $sources{$name} = [split /\n/, $code, -1];
    # `name?`, which is otherwise invalid.
    $code = "main::_bai_doc('$1')" if $code =~ /^\s*([\$\@%]?[A-Za-z_][\w:]*)\?\??\s*$/;
    $text = scope();
    $cell = "my \$_bai_; UNITCHECK { _bai::keep(sub {}) }\n#line 1 \"$name\"\n$code\n";
    ($ok, $failure, @value) = (0, undef);
    perform();
    ($ok, $failure) = ($@ eq '', $@) if !$ok && !defined $failure;
    keep_pragmas($code) if $code =~ /\b(?:use|no|package)\b/;
    if (!$ok) {
        return ${$failure} & 0xff if ref $failure eq '_bai::Exit';
        report($failure);
        return 1;
    }
    $_bai::Show::last = $value[-1];
    my $shown = $shows ? _bai::Show::result($code, @value) : undef;
    if (defined $shown) {
        flush();
        syswrite $out, $shown;
    }
    return 0;
}

# In Perl's own form.
sub report {
    my ($error) = @_;
    my $said = eval { "$error" };
    $said = ref($error) . ' that cannot be described' unless defined $said;
    $said = _bai::Show::value($error) if ref $error && $said =~ /^[\w:]+=?[A-Z]*\(0x[0-9a-f]+\)$/;
    complain($said =~ /\n\z/ ? $said : "$said\n");
}

sub flush {
    open STDOUT, '>&', $out unless defined fileno STDOUT;
    my $selected = select STDOUT;
    local $| = 1;
    select $selected;
}

sub run {
    my ($id, $code, $shows) = @_;
    my $status = 1;
    $interrupted = 0;
    @ARGV = ();
    ($SIG{INT}, $SIG{IO}) = ($users_handler, sub { $woken = 1; receive(0) });
    eval {
        $running = 1;
        transmit($aside, "{\"say\":\"started\",\"id\":$id}");
        receive(0);
        $status = evaluate($code, $shows);
        1;
    } or do {
        # An interrupt that came after the end of the cell.
        $running = 0;
        report($@) if !$interrupted;
    };
    $running = 0;
    $users_handler = $SIG{INT} || 'DEFAULT';
    $users_handler = \&on_interrupt if !ref $users_handler && $users_handler eq 'DEFAULT';
    ($SIG{INT}, $SIG{IO}) = (sub { }, 'IGNORE');
    # The processes of an interrupted system().
    if ($interrupted) {
        $SIG{QUIT} = 'DEFAULT';
        1 while waitpid(-1, POSIX::WNOHANG()) > 0;
    }
    untie *STDIN;
    tie *STDERR, '_bai::Errors' unless tied *STDERR;
    eval { flush() };
    POSIX::_exit($status) if $$ != $process;
    transmit($report, "{\"say\":\"done\",\"id\":$id,\"code\":$status}");
}

sub serve {
    tie *STDERR, '_bai::Errors';
    ($SIG{INT}, $SIG{IO}) = (sub { }, 'IGNORE');
    fcntl $control, Fcntl::F_SETOWN(), $$;
    fcntl $control, Fcntl::F_SETFL(), Fcntl::O_ASYNC();
    transmit($report, '{"say":"ready"}');
    while (1) {
        receive(1) until @waiting;
        my $cell = shift @waiting or return;
        run(@$cell);
    }
}
