
# ---- completions at the cursor, without a call of the user's code
{
    package _bai::Suggest;
    my $most = 1000;
    my @words = qw(abs atan2 binmode bless chdir chmod chomp chop chr close closedir cos crypt defined delete die do each else
        elsif eof eval exec exists exit exp fileno for foreach fork format getc glob goto grep gmtime hex if index int ioctl join
        keys kill last lc lcfirst length link local localtime log lstat map mkdir my next no oct open opendir ord our pack
        package pipe pop pos print printf prototype push quotemeta rand read readdir readline readlink redo ref rename require
        reset return reverse rewinddir rindex rmdir say scalar seek select shift sin sleep sort splice split sprintf sqrt srand
        stat state study sub substr symlink syscall sysopen sysread sysseek system syswrite tell tie tied time times truncate
        uc ucfirst umask undef unless unlink unpack unshift untie until use utime values vec wait waitpid wantarray warn while
        write);

    sub answer {
        my ($id, $code) = @_;
        my ($prefix, @names) = eval { suggest($code) };
        my $start = 'null';
        if (defined $prefix) {
            my %seen;
            @names = grep { index($_, $prefix) == 0 && !/_bai\b/ && !$seen{$_}++ } @names;
            @names = ((grep { !/^\W?_/ } @names), grep { /^\W?_/ } @names);
            $#names = $most - 1 if @names > $most;
            utf8::decode(my $before = substr $code, 0, length($code) - length $prefix);
            $start = length $before;
        }
        my $list = join ',', map { _bai::quote($_) } @names;
        _bai::transmit($aside, "{\"say\":\"completions\",\"id\":$id,\"start\":$start,\"suggestions\":[$list]}");
    }

    # The typed part of the word, and its completions.
    sub suggest {
        my ($line) = $_[0] =~ /([^\n]*)\z/;
        return ($1, modules($1)) if $line =~ /\b(?:use|no|require)\s+([\w:]*)$/;
        return ($3, keys_of($1, $2)) if $line =~ /(?<!\w)\$(\w[\w:]*)(->)?\{\s*['"]?(\w*)$/;
        return ($3, methods($1, $2)) if $line =~ /(?<![\w:])([\$]?)([A-Za-z_][\w:]*)->(\w*)$/;
        return (undef) if $line =~ /->\w*$/;
        return ($1, variables($1)) if $line =~ /((?<![\w\$\@%&])[\$\@%]\#?[\w:]*)$/;
        return ($2, files($2)) if $line =~ /^(?:[^'"]|"[^"]*"|'[^']*')*(["'])([^'"]*)$/;
        return ($1, subs($1)) if $line =~ /((?<![\$\@%\w:])[A-Za-z_][\w:]*)$/;
        return (undef);
    }

    sub stash {
        no strict 'refs';
        my ($package) = @_;
        return \%{"${package}::"};
    }

    # The names of one kind in a package.
    sub of_kind {
        my ($package, $kind) = @_;
        my $stash = stash($package);
        no strict 'refs';
        return grep {
            my $glob = \$stash->{$_};
            /^\w+$/ && (ref $glob ne 'GLOB' ? $kind eq 'CODE' : $kind eq 'SCALAR' ? defined ${*$glob{SCALAR}} : defined *$glob{$kind})
        } sort keys %$stash;
    }

    sub variables {
        my ($sigil, $package) = $_[0] =~ /^(.)#?(?:(.*)::)?/;
        return map { "$sigil${package}::$_" } of_kind($package, {'$' => 'SCALAR', '@' => 'ARRAY', '%' => 'HASH'}->{$sigil}) if defined $package;
        my @names = (keys %lex, keys %our);
        push @names, map { "\$$_" } of_kind('main', 'SCALAR');
        push @names, map { "\@$_" } of_kind('main', 'ARRAY');
        push @names, map { "\%$_" } of_kind('main', 'HASH');
        # An element has the sigil of a scalar.
        my %fits = ('$' => qr/^[\$\@%]/, '@' => qr/^[\@%]/, '%' => qr/^%/);
        return sort map { $sigil . substr $_, 1 } grep { $_ =~ $fits{$sigil} && /^.\D/ } @names;
    }

    sub subs {
        my ($package, $first) = $_[0] =~ /^(?:(.*)::)?(.*)$/;
        return map { "${package}::$_" } of_kind($package, 'CODE'), packages($package) if defined $package && $package ne '';
        my @own = map { /^&(.*)/ ? $1 : () } keys %lex;
        return sort(of_kind($_bai::package, 'CODE'), @own), @words, packages('main');
    }

    sub packages {
        my $stash = stash($_[0]);
        return sort map { /^([A-Za-z]\w*)::$/ && $1 ne 'main' ? "$1" : () } keys %$stash;
    }

    sub methods {
        my ($sigil, $name) = @_;
        my $class = $name;
        if ($sigil) {
            my $value = find("\$$name");
            $class = $value && _bai::Show::Scalar_type($value) eq 'SCALAR' && ref $$value;
            return () if !$class || $class =~ /^(?:ARRAY|HASH|CODE|SCALAR|REF)$/;
        }
        local @INC = _bai::without_folder();
        require mro;
        return map { of_kind($_, 'CODE') } @{mro::get_linear_isa($class)}, 'UNIVERSAL';
    }

    # A reference to the variable of this name.
    sub find {
        my ($name) = @_;
        return $lex{$name} if $lex{$name};
        no strict 'refs';
        my ($sigil, $rest) = $name =~ /^(.)(.*)$/;
        my $full = ($our{$name} // $_bai::package) . "::$rest";
        return $sigil eq '$' ? \${$full} : $sigil eq '@' ? \@{$full} : \%{$full};
    }

    sub keys_of {
        my ($name, $arrow) = @_;
        my $hash = $arrow ? ${find("\$$name")} : find("\%$name");
        return ref $hash && _bai::Show::Scalar_type($hash) eq 'HASH' && !tied %$hash ? sort keys %$hash : ();
    }

    sub files { return map { -d $_ ? "$_/" : $_ } sort glob quotemeta($_[0]) . '*' }

    sub modules {
        my ($folder) = $_[0] =~ /^(.*)::/;
        my $path = defined $folder ? join '/', split /::/, $folder : '';
        my %found;
        for my $root (grep { !ref } @INC) {
            opendir my $here, "$root/$path" or next;
            for (readdir $here) {
                next if /^\./ || !/^(\w+)(\.pm)?$/ || !$2 && !-d "$root/$path/$_";
                $found{(defined $folder ? "${folder}::" : '') . $1}++;
            }
        }
        return sort keys %found;
    }
}
