# Starts sshd for one session: program, private folder, address, port, and optionally the command that every login runs instead of a shell.
# The host key and the configuration are made for this start. Who holds a key of this user's authorized_keys may log in.
program=$1 folder=$2 address=$3 port=$4 instead=$5
umask 077
fail() (
    echo "$1" >&2
    exit 1
)
keys=$(readlink -f ~/.ssh/authorized_keys) && [ -f "$keys" ] && grep -q '^[[:space:]]*[^#[:space:]]' "$keys" ||
    fail "~/.ssh/authorized_keys has no key that may log in; add yours, as with cat ~/.ssh/id_ed25519.pub >>~/.ssh/authorized_keys" || exit
# The rule of StrictModes: no other user can write the file, or a folder above it up to the home folder. sshd would apply it to the copy.
part=$keys home=$(cd -P ~ && pwd)
while :; do
    [ -n "$(find "$part" -prune \( -user 0 -o -user "$(id -u)" \) ! -perm -020 ! -perm -002)" ] ||
        fail "~/.ssh/authorized_keys is not used: $part belongs to another user, or other users can write it (chmod go-w ends that)" || exit
    [ "$part" != "$home" ] && [ "$part" != / ] || break
    part=$(dirname "$part")
done
cat "$keys" >"$folder/keys" || exit
ssh-keygen -q -t ed25519 -N '' -f "$folder/host_key" </dev/null || exit
# As root, sshd needs a folder of the system.
[ "$(id -u)" != 0 ] || mkdir -p -m 755 /run/sshd
cat >"$folder/config" <<END
ListenAddress $address:$port
HostKey $folder/host_key
AuthorizedKeysFile $folder/keys
AllowUsers $(id -un)
PasswordAuthentication no
KbdInteractiveAuthentication no
# The folder for temporary files is shared with all users; this one is private.
StrictModes no
UsePAM no
PidFile none
Subsystem sftp internal-sftp
END
[ -z "$instead" ] || echo "ForceCommand $instead" >>"$folder/config"
# sshd closes every descriptor that it inherits, also the lifeline through which it would end with its runner. This shell keeps it for the group.
"$program" -D -e -f "$folder/config"
exit
